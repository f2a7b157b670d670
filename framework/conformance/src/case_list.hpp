#pragma once

#include <array>
#include <string>
#include <vector>

#include "soma/conformance/case.hpp"

namespace soma::conformance {

/// Sizes at which kernels break: empty, one, around vector widths and tiles, larger than a tile.
inline constexpr std::array<std::int64_t, 16> kSizes = {0,  1,  2,  3,  7,  8,  9,   15,
                                                        16, 17, 31, 33, 63, 65, 127, 1000};

void add_linear_cases(std::vector<Case>& to);
void add_matmul_cases(std::vector<Case>& to);
void add_conv2d_cases(std::vector<Case>& to);
void add_pool2d_cases(std::vector<Case>& to);
void add_pointwise_cases(std::vector<Case>& to);
void add_softmax_cases(std::vector<Case>& to);
void add_loss_cases(std::vector<Case>& to);
void add_optimizer_cases(std::vector<Case>& to);
void add_activation_cases(std::vector<Case>& to);
void add_structure_cases(std::vector<Case>& to);
void add_arrangement_cases(std::vector<Case>& to);  // called by add_structure_cases
void add_normalization_cases(std::vector<Case>& to);
void add_recurrent_cases(std::vector<Case>& to);
void add_attention_cases(std::vector<Case>& to);

/// "_bias_residual_relu" for an epilogue with all three, "" for none.
std::string epilogue_suffix(bool bias, bool residual, const std::string& activation);

}  // namespace soma::conformance
