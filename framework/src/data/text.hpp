#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "soma/dataset.hpp"

namespace soma::data {

/// Windows of a text file; `options` is "context=64&stride=64" or a part of it, both default to
/// context 64. The last tenth of the file is the test. Classes are the different bytes of the whole
/// file, ascending; a class is called as its byte is written in C: "a", "\n", "\xc3". Throws
/// FormatError.
DataSplit load_text(const std::string& name, const std::filesystem::path& file,
                    std::string_view options);

}  // namespace soma::data
