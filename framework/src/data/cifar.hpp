#pragma once

#include <filesystem>
#include <string>

#include "soma/dataset.hpp"

namespace soma::data {

/// CIFAR-10's binary files in `folder`, each plain or gzip-compressed: those of data_batch_1.bin to
/// data_batch_5.bin that are there, one or more, and test_batch.bin. Samples [32,32,3], byte / 255.
/// Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version". `hint` ends the message
/// if files are missing. Throws FormatError.
DataSplit load_cifar10(const std::string& name, const std::filesystem::path& folder,
                       const std::string& hint = "");

/// Whether the folder has a training file and the test file.
bool has_cifar10(const std::filesystem::path& folder);

}  // namespace soma::data
