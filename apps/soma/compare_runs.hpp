#pragma once

#include <cstdint>
#include <optional>
#include <string>

/// Compares two run folders: what decides their bits, the weights after each epoch, those at the
/// end, and, where only the backends can have made the difference, the steps up to it in lock-step
/// (`steps` of them at most). Prints text or a line of JSON; 0 if they are the same, else 1. Throws
/// soma::FormatError for what is no run folder.
int compare_runs(const std::string& a, const std::string& b, std::optional<std::int64_t> steps,
                 bool json);
