#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "data/table.hpp"
#include "soma/record_format.hpp"
#include "soma/tensor.hpp"

namespace soma::data {

/// How one column becomes numbers, learned from these rows; `as_category` are the columns whose
/// categories have been read. Adds to `notes` what a person should know.
RecordField learn_field(const TableColumn& column, bool as_category,
                        std::span<const std::int64_t> rows, std::vector<std::string>& notes);

/// A number's mean and standard deviation over the rows where it is there.
struct Spread {
  std::int64_t count = 0;
  double mean = 0, deviation = 0;
};
Spread spread_of(std::span<const double> numbers, std::span<const std::int64_t> rows);

/// The inputs [rows, format.inputs()] that these rows of the table become. Texts are taken from the
/// categories that have been read.
Tensor encode(std::vector<TableColumn>& columns, const RecordFormat& format,
              std::span<const std::int64_t> rows);

}  // namespace soma::data
