#pragma once

#include <filesystem>
#include <string>

/// SHA-256 of a file's bytes, 64 lower-case hex digits. Throws soma::FormatError with the system's
/// reason.
std::string sha256_of_file(const std::filesystem::path& file);
