#pragma once

#include <optional>
#include <string_view>

#include "soma/model.hpp"

namespace soma {

/// The built-in model of that name, without weights; nothing if there is none.
std::optional<Model> make_builtin(std::string_view name);

}  // namespace soma
