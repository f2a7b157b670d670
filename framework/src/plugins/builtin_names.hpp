#pragma once

#include <string_view>

/// Names that no plugin may claim; each is defined beside the list it looks into.
namespace soma {

bool is_builtin_layer(std::string_view type) noexcept;
bool is_builtin_loss(std::string_view name) noexcept;
bool is_builtin_optimizer(std::string_view name) noexcept;

}  // namespace soma
