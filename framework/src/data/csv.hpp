#pragma once

#include "data/spec.hpp"
#include "soma/dataset.hpp"

namespace soma::data {

/// What a table's SPEC says when its options do not: how the named tables that come without a
/// header are read.
struct TableDefaults {
  std::vector<std::string> names = {};  ///< of the columns; empty: from the file
  std::string target = {};              ///< empty: the last column
  double test = 0.2;
};

/// Reads a table and learns from its training rows how records become numbers (RecordFormat), or
/// takes `options.format`. A number becomes its distance from the mean in standard deviations; a
/// text one number for each of its 64 most frequent values; a column with missing values one number
/// more that tells. Left out are columns that are always the same, texts that hardly ever occur
/// twice, and row numbers. A target of texts, or of 10 different whole numbers or fewer, is
/// classes; any other is a number, in deviations too. Rows whose target is missing are dropped. The
/// data set's notes tell of all that. Throws FormatError.
DataSplit load_csv(Spec spec, const std::string& file, const LoadOptions& options,
                   const TableDefaults& defaults = {});

}  // namespace soma::data
