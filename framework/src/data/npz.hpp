#pragma once

#include <string>

#include "data/spec.hpp"
#include "soma/dataset.hpp"

namespace soma::data {

/// Arrays of an .npz file: x or x_train (or X, images, data) are samples [n,...], y or y_train (or
/// labels, targets) their targets; x_test and y_test the test, else it is drawn. Options x, y,
/// x_test, y_test name others. Bytes are divided by 255, other numbers stay as they are. Targets of
/// integers or bools, [n] or [n,1], are classes; floats are numbers. Throws FormatError.
DataSplit load_npz(Spec spec, const std::string& file, const LoadOptions& options);

/// The same from one .npy file of samples and another, y=FILE, of targets.
DataSplit load_npy(Spec spec, const std::string& file, const LoadOptions& options);

}  // namespace soma::data
