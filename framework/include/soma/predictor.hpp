#pragma once

#include <memory>
#include <span>

#include "soma/backend.hpp"
#include "soma/model.hpp"

namespace soma {

struct PredictorOptions {
  std::int64_t max_batch = 1;
  int threads = 1;
  bool probabilities =
      true;  ///< softmax on the output of a cross-entropy model; otherwise its logits
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

  /// inputs: n samples, 1 <= n <= max_batch, row-major; outputs: n * output_size() floats. n
  /// follows from inputs.size(). Throws ShapeError if the sizes do not fit.
  void run(std::span<const float> inputs, std::span<float> outputs) const;
  std::int64_t input_size() const noexcept;   ///< floats per sample
  std::int64_t output_size() const noexcept;  ///< floats per sample

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace soma
