#pragma once

#include <filesystem>

#include "data/spec.hpp"
#include "soma/dataset.hpp"

namespace soma::data {

/// PNG files in a folder for each class: FOLDER/train/CLASS/*.png and FOLDER/test/CLASS/*.png, or
/// FOLDER/CLASS/*.png, of which the test is drawn. Classes and files are taken in the order of
/// their names. Samples [H,W,C], byte / 255; C is 1 if the first image is grey, else 3, or as the
/// option channels says; transparency is laid over black. All images are of one size, or made so by
/// size=N or size=HxW (each pixel the mean of those it covers). Throws FormatError that names the
/// file.
DataSplit load_images(Spec spec, const std::filesystem::path& folder, const LoadOptions& options);

/// Whether the folder holds folders with PNG files.
bool has_images(const std::filesystem::path& folder);

}  // namespace soma::data
