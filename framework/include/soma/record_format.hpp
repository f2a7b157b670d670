#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/api.hpp"

namespace soma {

/// One column of a table, and how it becomes numbers. What it holds was learned from training rows
/// alone.
struct SOMA_API RecordField {
  enum class Kind {
    number,    ///< x -> (x - mean) / deviation; a missing value -> 0
    category,  ///< one number for each category: 1 for the value's own, 0 for all others; a missing
               ///< or unknown value -> all 0
    ignored    ///< no number
  };
  std::string name;
  Kind kind = Kind::number;
  double mean = 0, deviation = 1;  ///< of a number; deviation > 0
  bool may_miss = false;  ///< one number more, behind the others: 1 where the value is missing
  std::vector<std::string> categories = {};
  std::string reason = {};  ///< why it is ignored

  /// How many numbers one value becomes.
  std::int64_t width() const noexcept;
  /// The position of a category; -1 if it is unknown.
  std::int32_t category(std::string_view text) const noexcept;
  /// Writes width() numbers: of a number (NaN: missing), of a category (-1: missing or unknown).
  void encode_number(double value, float* to) const noexcept;
  void encode_category(std::int32_t index, bool missing, float* to) const noexcept;
  friend bool operator==(const RecordField&, const RecordField&) = default;
};

/// How the records that people have become the numbers that a network takes, and its numbers
/// answers in their words and units. A data set brings it along, training leaves it in the model,
/// and it travels in the model's file. For samples that are arrays of numbers already, such as
/// images, it has no fields.
struct SOMA_API RecordFormat {
  std::vector<RecordField> fields;       ///< in the order of the table's columns, the target too
  std::optional<std::size_t> target;     ///< among the fields
  std::vector<std::string> class_names;  ///< of the target; empty for regression
  std::vector<std::string> missing;      ///< words for a missing value, besides the empty cell
  char decimal = '.';

  bool takes_records() const noexcept { return !fields.empty(); }
  /// How many numbers a record becomes: all fields in order, without the target.
  std::int64_t inputs() const noexcept;
  /// The model's output in the units of the target; as it is where the target is no number.
  double answer(double output) const noexcept;
  /// One line of JSON, and back. Throws FormatError that names `origin` and the field.
  std::string to_json() const;
  static RecordFormat from_json(std::string_view text, const std::string& origin);
  friend bool operator==(const RecordFormat&, const RecordFormat&) = default;
};

namespace data {

/// Records for a model, read from CSV.
struct Records {
  std::int64_t size = 0;
  std::vector<float> inputs;       ///< [size, format.inputs()]
  std::vector<std::string> truth;  ///< the target's cell of each, if the table has that column
  std::vector<std::string> notes;  ///< what a person should know: unknown categories and the like
};

/// Reads records as `format` says. A first line that names the columns may have them in any order
/// and others besides; without one, the columns stand as they stood in the training data, with the
/// target or without. Throws FormatError "origin:line: ...".
SOMA_API Records read_records(std::string_view csv, const std::string& origin,
                              const RecordFormat& format);

}  // namespace data
}  // namespace soma
