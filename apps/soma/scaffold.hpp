#pragma once

#include <string_view>

/// A file of the scaffolds in scaffold/, without its ".in"; empty if there is none. Its
/// placeholders are words between two '@'.
std::string_view scaffold_text(std::string_view name);
