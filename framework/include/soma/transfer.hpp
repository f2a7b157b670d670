#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "soma/model.hpp"

namespace soma {

/// What came over from another model, by the parameters' names.
struct Transfer {
  std::vector<std::string> taken;
  std::vector<std::string> left;  ///< not in the other model, or of another shape there
};

/// Copies each parameter (running statistics included) that `from` has under the same name and in
/// the same shape. `to` is initialized with `seed` before, unless it has parameters. Throws
/// StateError if `from` has no parameters or nothing fits.
SOMA_API Transfer transfer_weights(const Model& from, Model& to, std::uint64_t seed = 1);

/// True if the name fits the pattern, in which * stands for any characters and ? for one.
SOMA_API bool fits_pattern(std::string_view name, std::string_view pattern) noexcept;

}  // namespace soma
