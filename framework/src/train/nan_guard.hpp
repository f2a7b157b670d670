#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "program/observation.hpp"
#include "program/program.hpp"
#include "soma/optimizer.hpp"
#include "soma/training_error.hpp"

namespace soma {

/// Throws NonFiniteError at the first NaN or infinity that it is shown, in the order kernels run
/// and read.
class FirstNonFinite final : public StepObserver {
 public:
  /// What it looks at: everything, or weights and state as kernels read them.
  enum class Scope { everything, memory };
  FirstNonFinite(const Graph& graph, Scope scope, const Backend& backend, int threads)
      : graph_(graph), scope_(scope), backend_(backend), threads_(threads) {}
  void before(const StepKernel& kernel) override;
  void after(const StepKernel& kernel) override;

 private:
  void look_at(const StepKernel& kernel, const StepTensor& tensor, bool computed) const;
  [[noreturn]] void report(const StepKernel& kernel, const StepTensor& tensor, std::int64_t at,
                           bool computed) const;

  const Graph& graph_;
  Scope scope_;
  const Backend& backend_;
  int threads_;
};

/// The largest magnitude among the numbers, as the bits of a float; of NaN or infinity if there is
/// one (at least kNonFinite). Runs through the backend's parallel_for.
std::uint32_t largest_bits(const Backend& backend, int threads, std::span<const float> numbers);
constexpr std::uint32_t kNonFinite = 0x7F800000;

/// Finds NaN and infinities in what an update reads and writes, at the price of reading the
/// gradients once. Weights and state are read where an overflow in the update is possible at all:
///
///   With |g| <= 2^40, |w| and |state| <= 2^50, a learning rate of at most 2^10, penalties and
///   decay of at most 1, decay rates of moments of at most 0.9999 and an epsilon of 1e-10 or more,
///   64 updates of sgd, adam, adamw, nadam, adagrad, rmsprop (not centered) or lion change a weight
///   by less than 2^116 and keep every square below 2^110: nothing leaves float32.
///
/// So after an update that fits this they are read only every 64th time, else every time; and in
/// the first update after somebody else changed them, by a FirstNonFinite.
class UpdateGuard {
 public:
  UpdateGuard(const Optimizer& optimizer, const Regularization& regularization);

  /// Something else than an update has changed weights or state.
  void forget() noexcept { quiet_left_ = 0; }
  void begin_update() noexcept { gradient_bits_ = 0; }
  /// True if all gradients are finite. To be called for each batch of an update.
  bool gradients_finite(const Program& program, const Program::Instance& instance,
                        const Backend& backend, int threads);
  /// To be called after each update at that rate: the first tensor of it that is not finite, in
  /// the order of its kernels, state before weights; with an empty name if there is none.
  /// `names`: see value_names; called if they are needed.
  NonFinite after_update(const Program& program, const Program::Instance& instance,
                         const Backend& backend, int threads, double learning_rate,
                         const std::function<std::vector<std::string>()>& names);

 private:
  bool bounded_ = false;             // by optimizer and regularization
  std::uint32_t gradient_bits_ = 0;  // the largest of the update under way
  int quiet_left_ = 0;               // updates for which weights and state need not be read
};

}  // namespace soma
