#pragma once

#include <filesystem>

#include "data/spec.hpp"
#include "soma/dataset.hpp"

namespace soma::data {

/// Windows of a text file; the options context (64) and stride (as context) say which. The last
/// tenth of the file is the test, whose windows do not overlap. Classes are the different bytes of
/// the whole file, ascending; a class is called as its byte is written in C: "a", "\n", "\xc3".
/// Throws FormatError.
DataSplit load_text(Spec spec, const std::filesystem::path& file);

}  // namespace soma::data
