#include "data/table.hpp"

#include <algorithm>
#include <charconv>
#include <set>
#include <unordered_map>

#include "data/cell.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

constexpr int kLooked = 100;        // rows that tell whether the first line is a header
constexpr double kTextShare = 0.1;  // at most so many of a number column's cells may be text

struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>()(text);
  }
};

/// The different cells of a column in the order of their first appearance.
class Dictionary {
 public:
  std::int32_t index_of(std::string_view cell) {
    if (const auto found = indices_.find(cell); found != indices_.end()) return found->second;
    const auto index = static_cast<std::int32_t>(words_.size());
    words_.emplace_back(cell);
    indices_.emplace(words_.back(), index);
    return index;
  }
  /// Brings the words into natural order and the indices with them.
  void finish(TableColumn& column) {
    std::vector<std::int32_t> order(words_.size()), place(words_.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int32_t>(i);
    const auto word = [&](std::int32_t i) -> const std::string& {
      return words_[static_cast<std::size_t>(i)];
    };
    std::ranges::sort(order, [&](auto a, auto b) { return natural_less(word(a), word(b)); });
    column.categories.clear();
    for (std::size_t i = 0; i < order.size(); ++i) {
      place[static_cast<std::size_t>(order[i])] = static_cast<std::int32_t>(i);
      column.categories.push_back(word(order[i]));
    }
    for (std::int32_t& index : column.indices) {
      if (index >= 0) index = place[static_cast<std::size_t>(index)];
    }
  }

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::int32_t, TextHash, std::equal_to<>> indices_;
};

}  // namespace

bool TableColumn::is_number() const noexcept {
  const auto filled = static_cast<std::int64_t>(numbers.size()) - missing;
  return static_cast<double>(texts) <= kTextShare * static_cast<double>(filled);
}

Table::Table(std::string_view text, const std::string& origin, const TableOptions& options)
    : reader_(text, origin, options.separator, options.decimal),
      missing_(options.missing),
      decimal_(options.decimal) {
  std::vector<std::string_view> first;
  if (!reader_.next(first)) {
    throw FormatError(origin + ": expected rows of a table, found an empty file");
  }
  has_header_ = options.header.value_or(looks_like_header(first, options.likely_name));
  reader_.rewind();
  reader_.next(first);
  name_columns(first);
  if (!has_header_) reader_.rewind();
  read_numbers(text.size());
  if (rows_ == 0) throw FormatError(origin + ":1: expected rows below the header, found none");
}

bool Table::looks_like_header(const std::vector<std::string_view>& cells,
                              const std::string& likely) {
  const std::vector<std::string> first(cells.begin(), cells.end());
  if (!likely.empty() && std::ranges::find(first, likely) != first.end()) return true;
  const CellRules rules{missing_, decimal_};
  const auto is_number = [&](std::string_view cell) {
    return read_cell(cell, rules).kind == CellValue::Kind::number;
  };
  if (std::ranges::any_of(first, is_number)) return false;
  // Words over numbers make a header; so do different words that none of the rows repeats.
  std::vector<std::string_view> below;
  bool repeated = std::set<std::string>(first.begin(), first.end()).size() != first.size();
  int rows = 0;
  for (; rows < kLooked && reader_.next(below) && below.size() == first.size(); ++rows) {
    for (std::size_t c = 0; c < first.size(); ++c) {
      if (is_number(below[c])) return true;
      repeated |= below[c] == first[c];
    }
  }
  return rows > 0 && !repeated;
}

void Table::name_columns(const std::vector<std::string_view>& first) {
  columns_.resize(first.size());
  std::set<std::string> taken;
  for (std::size_t c = 0; c < first.size(); ++c) {
    const std::string plain =
        has_header_ && !first[c].empty() ? std::string(first[c]) : "column" + std::to_string(c + 1);
    std::string name = plain;
    for (int n = 2; !taken.insert(name).second; ++n) name = plain + " (" + std::to_string(n) + ")";
    columns_[c].name = name;
  }
}

void Table::expect_width(const std::vector<std::string_view>& cells) const {
  if (cells.size() == columns_.size()) return;
  reader_.fail("expected " + std::to_string(columns_.size()) +
               " cells as in the first line, found " + std::to_string(cells.size()));
}

void Table::read_numbers(std::size_t text_size) {
  const CellRules rules{missing_, decimal_};
  std::vector<std::string_view> cells;
  while (reader_.next(cells)) {
    expect_width(cells);
    if (rows_ == 0) {
      std::size_t length = 1;
      for (const std::string_view cell : cells) length += cell.size() + 1;
      const std::size_t guess = std::min(text_size / length * 9 / 8, std::size_t{1} << 24);
      for (TableColumn& column : columns_) column.numbers.reserve(guess);
    }
    for (std::size_t c = 0; c < cells.size(); ++c) {
      TableColumn& column = columns_[c];
      const CellValue value = read_cell(cells[c], rules);
      if (value.kind == CellValue::Kind::number) {
        column.numbers.push_back(value.number);
        continue;
      }
      column.numbers.push_back(TableColumn::kMissing);
      if (value.kind == CellValue::Kind::missing) {
        ++column.missing;
      } else if (column.texts++ == 0) {
        column.text_line = reader_.line();
        column.text = shown(cells[c]);
      }
    }
    ++rows_;
  }
}

std::size_t Table::column(std::string_view name_or_number) const {
  const auto named = std::ranges::find(columns_, name_or_number, &TableColumn::name);
  if (named != columns_.end()) return static_cast<std::size_t>(named - columns_.begin());
  std::int64_t number = 0;
  const char* end = name_or_number.data() + name_or_number.size();
  const auto read = std::from_chars(name_or_number.data(), end, number);
  const auto count = static_cast<std::int64_t>(columns_.size());
  if (read.ec == std::errc() && read.ptr == end) {
    if (number >= 1 && number <= count) return static_cast<std::size_t>(number - 1);
    if (number <= -1 && number >= -count) return static_cast<std::size_t>(count + number);
  }
  std::string names;
  for (std::size_t c = 0; c < columns_.size() && c < 40; ++c) {
    names += (c == 0 ? "" : ", ") + columns_[c].name;
  }
  if (columns_.size() > 40) names += ", ...";
  throw FormatError(reader_.origin() + ": expected one of the columns " + names + ", or 1 to " +
                    std::to_string(count) + ", found no \"" + std::string(name_or_number) + "\"");
}

void Table::read_categories(const std::vector<std::size_t>& columns) {
  const CellRules rules{missing_, decimal_};
  std::vector<Dictionary> dictionaries(columns.size());
  for (const std::size_t c : columns) {
    columns_[c].indices.clear();
    columns_[c].indices.reserve(static_cast<std::size_t>(rows_));
  }
  std::vector<std::string_view> cells;
  reader_.rewind();
  if (has_header_) reader_.next(cells);
  while (!columns.empty() && reader_.next(cells)) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      const std::string_view cell = cells[columns[i]];
      const bool missing = read_cell(cell, rules).kind == CellValue::Kind::missing;
      columns_[columns[i]].indices.push_back(missing ? -1 : dictionaries[i].index_of(cell));
    }
  }
  for (std::size_t i = 0; i < columns.size(); ++i) dictionaries[i].finish(columns_[columns[i]]);
}

}  // namespace soma::data
