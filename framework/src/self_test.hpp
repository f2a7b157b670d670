#pragma once

#include <vector>

#include "soma/model.hpp"

namespace soma {

/// The sample that a model file carries to check itself: for each input one tensor, float32 uniform
/// in [0, 1), or indices, and for each output the model's (logits, not probabilities), computed by
/// the backend "reference": the same bits on every machine.
struct SelfTest {
  std::vector<Tensor> inputs, outputs;
};

/// The same sample for every model of those inputs; indices are below the rows of the model's
/// smallest table, or if it has none, below 64, 2 or 1: the most that it takes. Throws PluginError
/// where the backend is not installed.
SelfTest make_self_test(const Model& model);

/// The model's outputs for `inputs`. Throws PluginError as above.
std::vector<Tensor> self_test_outputs(const Model& model, const std::vector<Tensor>& inputs);

/// What the tensors of input or output `name` of `count` are called in a model file.
std::string self_test_name(const char* what, const std::string& name, std::size_t count);

}  // namespace soma
