#include "data/learn_format.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "data/cell.hpp"

namespace soma::data {
namespace {

using Kind = RecordField::Kind;

constexpr std::size_t kMostCategories = 64;
constexpr std::int64_t kFewTexts = 10;  // so many different ones may all occur once

std::string shortest(double x) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

RecordField left_out(const TableColumn& column, std::string reason,
                     std::vector<std::string>& notes) {
  notes.push_back("column '" + column.name + "' is left out: " + reason);
  return {.name = column.name, .kind = Kind::ignored, .reason = std::move(reason)};
}

/// Whether the column numbers the rows, by its name and its values.
bool is_row_number(const TableColumn& column) {
  std::string name = column.name;
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return std::tolower(c); });
  const bool named = name.ends_with("id") || name == "index" || name == "no" || name == "row" ||
                     name == "unnamed: 0" || name == "#" || name == "column1";
  if (!named || column.numbers.size() < 3) return false;
  for (std::size_t i = 0; i < column.numbers.size(); ++i) {
    if (column.numbers[i] != column.numbers[0] + static_cast<double>(i)) return false;
  }
  return true;
}

RecordField learn_number(const TableColumn& column, std::span<const std::int64_t> rows,
                         std::vector<std::string>& notes) {
  const Spread spread = spread_of(column.numbers, rows);
  if (spread.count == 0) return left_out(column, "it has no number in the training rows", notes);
  if (is_row_number(column)) return left_out(column, "it numbers the rows", notes);
  const bool may_miss = spread.count < std::ssize(rows);
  if (spread.deviation == 0 && !may_miss) {
    return left_out(column, "it is " + shortest(spread.mean) + " in all training rows", notes);
  }
  if (column.texts > 0) {
    notes.push_back("column '" + column.name + "': " + std::to_string(column.texts) +
                    (column.texts == 1 ? " cell that is no number counts"
                                       : " cells that are no numbers count") +
                    " as missing, the first in line " + std::to_string(column.text_line) + ": \"" +
                    column.text + "\"");
  }
  return {.name = column.name,
          .mean = spread.mean,
          .deviation = spread.deviation == 0 ? 1 : spread.deviation,
          .may_miss = may_miss};
}

RecordField learn_category(const TableColumn& column, std::span<const std::int64_t> rows,
                           std::vector<std::string>& notes) {
  std::vector<std::int64_t> counts(column.categories.size());
  std::int64_t filled = 0;
  for (const std::int64_t row : rows) {
    const std::int32_t index = column.indices[static_cast<std::size_t>(row)];
    if (index < 0) continue;
    ++counts[static_cast<std::size_t>(index)];
    ++filled;
  }
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > 0) kept.push_back(i);
  }
  const std::string in_all = std::to_string(kept.size()) + " different ones in " +
                             std::to_string(filled) + " training rows";
  if (filled == 0) return left_out(column, "it has no value in the training rows", notes);
  if (kept.size() == 1 && filled == std::ssize(rows)) {
    return left_out(
        column, "it is \"" + shown(column.categories[kept[0]]) + "\" in all training rows", notes);
  }
  if (std::ssize(kept) > std::max(kFewTexts, filled / 2)) {
    return left_out(column, "its texts hardly occur twice, " + in_all, notes);
  }
  if (kept.size() > kMostCategories) {
    std::ranges::stable_sort(kept, [&](auto a, auto b) { return counts[a] > counts[b]; });
    kept.resize(kMostCategories);
    std::ranges::sort(kept);
    notes.push_back("column '" + column.name + "': the " + std::to_string(kMostCategories) +
                    " most frequent texts are told apart, of " + in_all);
  }
  RecordField field{.name = column.name, .kind = Kind::category};
  field.may_miss = filled < std::ssize(rows);
  for (const std::size_t i : kept) field.categories.push_back(column.categories[i]);
  return field;
}

}  // namespace

Spread spread_of(std::span<const double> numbers, std::span<const std::int64_t> rows) {
  Spread spread;
  double sum = 0, squares = 0;
  for (const std::int64_t row : rows) {
    const double x = numbers[static_cast<std::size_t>(row)];
    if (std::isnan(x)) continue;
    sum += x;
    ++spread.count;
  }
  if (spread.count == 0) return spread;
  const auto n = static_cast<double>(spread.count);
  spread.mean = sum / n;
  bool constant = true;
  double first = TableColumn::kMissing;
  for (const std::int64_t row : rows) {
    const double x = numbers[static_cast<std::size_t>(row)];
    if (std::isnan(x)) continue;
    if (std::isnan(first)) first = x;
    constant &= x == first;
    squares += (x - spread.mean) * (x - spread.mean);
  }
  if (constant) spread.mean = first;
  spread.deviation = constant ? 0 : std::sqrt(squares / n);
  return spread;
}

RecordField learn_field(const TableColumn& column, bool as_category,
                        std::span<const std::int64_t> rows, std::vector<std::string>& notes) {
  return as_category ? learn_category(column, rows, notes) : learn_number(column, rows, notes);
}

Tensor encode(std::vector<TableColumn>& columns, const RecordFormat& format,
              std::span<const std::int64_t> rows) {
  const std::int64_t width = format.inputs();
  Tensor inputs({std::ssize(rows), width});
  // Categories of the table to those of the format.
  std::vector<std::vector<std::int32_t>> places(columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (format.fields[c].kind != Kind::category || c == format.target) continue;
    for (const std::string& text : columns[c].categories) {
      places[c].push_back(format.fields[c].category(text));
    }
  }
  constexpr std::size_t kBlock = 512;  // rows whose inputs stay in the cache while columns go by
  float* const base = inputs.as<float>().data();
  for (std::size_t first = 0; first < rows.size(); first += kBlock) {
    const std::size_t end = std::min(rows.size(), first + kBlock);
    std::int64_t offset = 0;
    for (std::size_t c = 0; c < columns.size(); ++c) {
      const RecordField& field = format.fields[c];
      if (c == format.target || field.kind == Kind::ignored) continue;
      for (std::size_t i = first; i < end; ++i) {
        const auto row = static_cast<std::size_t>(rows[i]);
        float* to = base + static_cast<std::int64_t>(i) * width + offset;
        if (field.kind == Kind::number) {
          field.encode_number(columns[c].numbers[row], to);
        } else {
          const std::int32_t index = columns[c].indices[row];
          field.encode_category(index < 0 ? -1 : places[c][static_cast<std::size_t>(index)],
                                index < 0, to);
        }
      }
      offset += field.width();
    }
  }
  return inputs;
}

}  // namespace soma::data
