#pragma once

#include <filesystem>
#include <string>
#include <string_view>

/// SHA-256 of bytes, 64 lower-case hex digits.
std::string sha256_of_text(std::string_view bytes);

/// SHA-256 of a file's bytes. Throws soma::FormatError with the system's reason.
std::string sha256_of_file(const std::filesystem::path& file);
