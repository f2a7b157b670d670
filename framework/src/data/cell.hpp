#pragma once

#include <span>
#include <string>
#include <string_view>

namespace soma::data {

/// What one cell of a table says.
struct CellValue {
  enum class Kind { missing, number, text };
  Kind kind = Kind::missing;
  double number = 0;
};

/// How cells are read.
struct CellRules {
  std::span<const std::string> missing;  ///< words for a missing value, besides the empty cell
  char decimal = '.';
};

/// A number is what it is in C, with a sign, a fraction and an exponent, within the range of
/// float32; no hexadecimal ones, no infinities. A date (ISO 8601, with or without a time of day) is
/// the number of days since 1970. What is neither missing nor a number is text.
CellValue read_cell(std::string_view cell, const CellRules& rules);

/// "NA", "?" and others that people write for a missing value.
std::span<const std::string> usual_missing_words();

/// A cell as a message shows it: on one line, shortened.
std::string shown(std::string_view text);

/// Whether a < b: numbers by value, before texts in the order of their bytes.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace soma::data
