#pragma once

#include <string>
#include <vector>

#include "soma/model.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// The samples of a RandomStep.
class RandomBatch {
 public:
  RandomBatch(const Model& model, std::int64_t samples);
  const std::vector<TensorView>& inputs() const noexcept { return inputs_; }
  const std::vector<TensorView>& targets() const noexcept { return targets_; }

 private:
  TensorView hold(Tensor tensor);

  std::vector<Tensor> tensors_;
  std::vector<TensorView> inputs_, targets_;
};

}  // namespace soma
