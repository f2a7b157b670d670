#pragma once

#include <filesystem>
#include <string>

namespace soma::data {

/// The whole file, unpacked if its content is gzip's. Throws FormatError "FILE: ...".
std::string read_bytes(const std::filesystem::path& file);

/// The same as text in UTF-8: what is not is taken for Windows-1252's (Latin-1's) bytes, as older
/// spreadsheets write them, and `converted` set.
std::string read_text(const std::filesystem::path& file, bool* converted = nullptr);

/// Makes text UTF-8 as read_text does; true if it was not.
bool make_utf8(std::string& text);

}  // namespace soma::data
