#pragma once

#include <string>
#include <vector>

#include "soma/model.hpp"
#include "soma/optimizer.hpp"
#include "soma/tensor.hpp"

namespace soma::bench {

/// How a model is timed, unless the user says otherwise.
struct Workload {
  std::int64_t batch = 32;
  Optimizer optimizer = Adam{};
};
/// Of a built-in model as its peers train it; of any other, batch 32 and Adam.
Workload workload_of(const std::string& model);

/// Random samples for any model, the same at every call: numbers in [-1, 1), ids below the rows of
/// the smallest embedding, classes within the outputs.
class Batch {
 public:
  /// `model` must be initialized.
  Batch(const Model& model, std::int64_t samples);
  const std::vector<TensorView>& inputs() const noexcept { return inputs_; }
  const std::vector<TensorView>& targets() const noexcept { return targets_; }

 private:
  TensorView hold(Tensor tensor);

  std::vector<Tensor> tensors_;
  std::vector<TensorView> inputs_, targets_;
};

}  // namespace soma::bench
