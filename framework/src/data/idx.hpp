#pragma once

#include <filesystem>

#include "soma/dataset.hpp"

namespace soma::data {

/// Reads train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
/// t10k-labels-idx1-ubyte from `folder`, each plain or gzip-compressed (".gz"). Samples [H,W,1],
/// labels below `classes`; 0 means up to the largest training label. `hint` ends the message if
/// files are missing. Throws FormatError, one sentence with the file, what was expected and what
/// was found. Source: http://yann.lecun.com/exdb/mnist, "FILE FORMATS FOR THE MNIST DATABASE".
DataSplit load_idx(const std::string& name, const std::filesystem::path& folder,
                   std::int32_t classes = 0, const std::string& hint = "");

/// Whether the folder has the four files.
bool has_idx(const std::filesystem::path& folder);

}  // namespace soma::data
