#pragma once

#include "soma/model.hpp"

namespace soma {

/// Gives a model without parameters zeros for all of them, which the caller overwrites:
/// initialize() without drawing. Throws StateError if it has no layers.
void make_parameters(Model& model);

}  // namespace soma
