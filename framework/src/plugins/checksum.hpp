#pragma once

#include <filesystem>

#include "plugins/rejection.hpp"

namespace soma::plugins {

/// Compares a file with the SHA-256 behind it: a last line "SOMA-SHA256 <64 hex digits>" over all
/// bytes before. A file without one passes. Code: damaged.
Rejection check_checksum(const std::filesystem::path& file);

}  // namespace soma::plugins
