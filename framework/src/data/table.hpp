#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/csv_reader.hpp"

namespace soma::data {

/// How a table is read.
struct TableOptions {
  char separator = 0;                ///< 0: found in the first line
  std::optional<bool> header;        ///< none: found out
  std::vector<std::string> missing;  ///< words for a missing value
  char decimal = '.';
  std::string likely_name;  ///< if a cell of the first line is this, it is a header
};

/// One column of a table: its cells as numbers and, once they have been asked for, as categories.
struct TableColumn {
  static constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

  std::string name;
  std::vector<double> numbers;          ///< kMissing where a cell is missing or text
  std::int64_t missing = 0;             ///< cells
  std::int64_t texts = 0;               ///< cells that are neither missing nor a number
  std::int64_t text_line = 0;           ///< where the first of these stands
  std::string text;                     ///< what it says
  std::vector<std::string> categories;  ///< the different cells, in natural order
  std::vector<std::int32_t> indices;    ///< into categories; -1 where a cell is missing

  /// Whether it is a column of numbers: most of its cells are, if any is there.
  bool is_number() const noexcept;
};

/// A CSV text in columns. The text must outlive the table.
class Table {
 public:
  /// Throws FormatError "origin:line: ..." for what is no CSV, has rows of different lengths, or no
  /// rows.
  Table(std::string_view text, const std::string& origin, const TableOptions& options);

  std::int64_t rows() const noexcept { return rows_; }
  bool has_header() const noexcept { return has_header_; }
  std::vector<TableColumn>& columns() noexcept { return columns_; }
  const std::string& origin() const noexcept { return reader_.origin(); }
  /// The column of that name, or number from 1 (from the end if negative). Throws FormatError that
  /// lists the columns.
  std::size_t column(std::string_view name_or_number) const;
  /// Reads the cells of these columns as categories.
  void read_categories(const std::vector<std::size_t>& columns);

 private:
  bool looks_like_header(const std::vector<std::string_view>& first, const std::string& likely);
  void name_columns(const std::vector<std::string_view>& first);
  void read_numbers(std::size_t text_size);
  void expect_width(const std::vector<std::string_view>& cells) const;

  CsvReader reader_;
  std::vector<std::string> missing_;
  char decimal_;
  bool has_header_ = false;
  std::int64_t rows_ = 0;
  std::vector<TableColumn> columns_;
};

}  // namespace soma::data
