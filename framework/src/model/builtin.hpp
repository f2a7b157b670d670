#pragma once

#include <optional>
#include <string_view>

#include "soma/dataset.hpp"
#include "soma/model.hpp"

namespace soma {

/// The built-in model of that name, without weights; nothing if there is none. Models that take any
/// data take those, or digits where there are none.
std::optional<Model> make_builtin(std::string_view name, const Dataset* data = nullptr);

}  // namespace soma
