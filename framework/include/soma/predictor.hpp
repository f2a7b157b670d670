#pragma once

#include <memory>
#include <span>

#include "soma/backend.hpp"
#include "soma/model.hpp"
#include "soma/observer.hpp"
#include "soma/profile.hpp"

namespace soma {

struct PredictorOptions {
  std::int64_t max_batch = 1;
  int threads = 1;
  bool probabilities = true;  ///< softmax over the last axis of each output that is minimised by
                              ///< cross-entropy, sigmoid on those by its binary form; otherwise
                              ///< the logits
  int concurrency =
      0;  ///< callers at the same time for whom memory is set aside; 0: the CPUs of the machine
};

/// Runs a trained model. Takes its own copy of the weights. run() is const, safe from any number of
/// threads, and within `concurrency` callers neither allocates nor locks (further callers wait for
/// a place).
class SOMA_API Predictor {
 public:
  Predictor(const Model& model, const Backend& backend, PredictorOptions options = {});
  ~Predictor();
  Predictor(Predictor&&) noexcept;
  Predictor& operator=(Predictor&&) noexcept;

  /// For models with one input: n samples, 1 <= n <= max_batch, row-major. `outputs`: n *
  /// output_size() floats, the first output. n follows from inputs.size(). Throws ShapeError if the
  /// sizes do not fit or the input is of the other type.
  void run(std::span<const float> inputs, std::span<float> outputs) const;
  void run(std::span<const std::int32_t> inputs, std::span<float> outputs) const;
  /// One view for each input and one span for each output, in the model's order. A span may be
  /// empty: that output is not wanted. n follows from the first input.
  void run(std::span<const TensorView> inputs, std::span<const std::span<float>> outputs) const;
  /// A run as above, and when each of its kernels ran.
  StepTimes timed_run(std::span<const TensorView> inputs,
                      std::span<const std::span<float>> outputs) const;
  /// A run as above, shown kernel by kernel to `observer`.
  void observed_run(std::span<const TensorView> inputs, std::span<const std::span<float>> outputs,
                    StepObserver& observer) const;
  /// Calls `hook` whenever a run has computed the output of that layer, in the order they were
  /// added, on the thread of that run; see Hook. Not while a run goes on. The batch is that of the
  /// program that runs, a power of two or max_batch: rows beyond those given hold what an earlier
  /// run left. Throws StateError that lists the layers if there is none of that name.
  void on_forward(const std::string& layer, Hook hook);
  /// Bytes of the memory plan (activations, workspaces, packs) of the largest batch, for one
  /// caller.
  std::size_t planned_bytes() const noexcept;
  StepMemory step_memory() const;                              ///< the same in parts
  std::size_t inputs() const noexcept;                         ///< how many
  std::size_t outputs() const noexcept;                        ///< how many
  std::int64_t input_size(std::size_t i = 0) const noexcept;   ///< numbers per sample
  std::int64_t output_size(std::size_t i = 0) const noexcept;  ///< floats per sample

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace soma
