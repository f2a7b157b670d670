#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "soma/backend.hpp"
#include "soma/model.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// The loss of a model on one batch as in prediction (nothing is drawn, batch norms use the running
/// statistics), and its gradients; for asking what it would be with other weights. Takes its own
/// copy of the weights, which may be changed. Not for several threads at once.
class SOMA_API LossProbe {
 public:
  /// For batches of exactly `batch` samples; threads 0: all the CPUs this process may use. Throws
  /// StateError while the model has no parameters.
  LossProbe(const Model& model, const Backend& backend, std::int64_t batch, int threads = 1);
  ~LossProbe();
  LossProbe(LossProbe&&) noexcept;
  LossProbe& operator=(LossProbe&&) noexcept;

  /// The batch: views as in Trainer::step. Throws ShapeError if the sizes do not fit.
  void set(std::span<const TensorView> inputs, std::span<const TensorView> targets);
  /// What is minimised, the mean over the samples, with the weights as they are.
  double loss();
  /// Its gradient with respect to a parameter, valid until the next call. Throws ShapeError for a
  /// name that is no parameter's, and for one that gets no gradient (gamma and beta of a batch
  /// norm).
  std::span<const float> gradient(const std::string& parameter);
  /// Sets one element of a parameter of the copy, and returns what it was.
  float exchange(const std::string& parameter, std::int64_t element, float value);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace soma
