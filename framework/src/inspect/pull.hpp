#pragma once

#include "soma/examination.hpp"

namespace soma {

/// What pulls at the weights: writes the gradients of some batches, and the update that the first
/// of them would make, into the layers of `to`.
void examine_pull(const Model& model, const Backend& backend, const Dataset& data,
                  const ExaminationOptions& options, Examination& to);

}  // namespace soma
