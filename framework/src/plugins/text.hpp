#pragma once

#include <string>
#include <string_view>

namespace soma::plugins {

/// Whether `text` is UTF-8 without control characters: what can go into messages and JSON.
bool is_text(std::string_view text);

/// `text` with '?' for each byte that keeps it from being text. What a plugin or the loader says
/// about a damaged file quotes the damage.
std::string printable(std::string_view text);

}  // namespace soma::plugins
