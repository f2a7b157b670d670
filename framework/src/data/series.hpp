#pragma once

#include <string>

#include "data/spec.hpp"
#include "soma/dataset.hpp"

namespace soma::data {

/// Windows of a time series, the rows of a CSV file from old to new: inputs [window, columns], the
/// target [1] is the first column `horizon` rows behind the window. Options: column=A,B (the last
/// one), window (30), horizon (1), stride (1), test (0.2) and validation as shares of the time, the
/// last of it. All in standard deviations from the mean, both of the training part. Throws
/// FormatError; a missing value is one.
DataSplit load_series(Spec spec, const std::string& file, const LoadOptions& options);

}  // namespace soma::data
