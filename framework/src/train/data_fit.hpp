#pragma once

#include <cstddef>
#include <span>

#include "soma/dataset.hpp"
#include "soma/model.hpp"

namespace soma {

/// Whether an input takes a column of the data: the same type, and the same shape unless the model
/// takes plain rows, to which samples of any shape of that size are numbers.
bool takes(const ModelInput& input, const DataColumn& column);

/// Turns class labels, i32, into the numbers that a loss on signs or probabilities takes, f32, in
/// place: both types have four bytes. Class 1 becomes 1, class 0 becomes 0, for the hinge loss -1.
void number_classes(const Loss& loss, std::span<std::byte> labels);

}  // namespace soma
