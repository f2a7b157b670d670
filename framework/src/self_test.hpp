#pragma once

#include "soma/model.hpp"

namespace soma {

/// An input of one sample, the same for every model of that input shape, that a model file carries.
Tensor self_test_input(const Model& model);

/// The model's output (logits, not probabilities) for it, computed by the backend "reference": the
/// same bits on every machine. Throws PluginError where that backend is not installed.
Tensor self_test_output(const Model& model, const Tensor& input);

}  // namespace soma
