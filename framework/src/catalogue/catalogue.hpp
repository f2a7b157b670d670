#pragma once

#include <vector>

#include "soma/op_catalogue.hpp"

namespace soma {

// One op of a real size per id, in the file of the same name.
std::vector<Op> core_examples();
std::vector<Op> activation_examples();
std::vector<Op> structure_examples();
std::vector<Op> normalization_examples();
std::vector<Op> recurrent_examples();
std::vector<Op> attention_examples();
std::vector<Op> loss_examples();
std::vector<Op> optimizer_examples();

}  // namespace soma
