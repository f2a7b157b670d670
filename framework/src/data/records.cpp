#include <algorithm>
#include <optional>

#include "data/cell.hpp"
#include "data/csv_reader.hpp"
#include "data/file_text.hpp"
#include "soma/error.hpp"
#include "soma/record_format.hpp"

namespace soma::data {
namespace {

using Kind = RecordField::Kind;

/// Something that happened to cells of one column: how often, and where first.
struct Oddity {
  std::int64_t count = 0, line = 0;
  std::string cell;

  void add(std::int64_t at, std::string_view text) {
    if (count++ > 0) return;
    line = at;
    cell = shown(text);
  }
};

class RecordReader {
 public:
  RecordReader(std::string_view csv, const std::string& origin, const RecordFormat& format)
      : reader_(csv, origin, 0, format.decimal), format_(format), odd_(format.fields.size()) {}

  Records read() {
    std::vector<std::string_view> cells;
    if (!reader_.next(cells)) {
      throw FormatError(reader_.origin() + ": expected records, found none");
    }
    const bool named = names_columns(cells);
    if (named) {
      places_by_name(cells);
    } else {
      places_by_position(cells);
    }
    const std::size_t width = cells.size();
    for (bool more = !named || reader_.next(cells); more; more = reader_.next(cells)) {
      if (cells.size() != width) {
        reader_.fail("expected " + std::to_string(width) + " cells as in the first line, found " +
                     std::to_string(cells.size()));
      }
      add(cells);
    }
    if (records_.size == 0) reader_.fail("expected records below the header, found none");
    add_notes();
    return std::move(records_);
  }

 private:
  /// A header is a line half of whose cells, or more, are names of columns.
  bool names_columns(const std::vector<std::string_view>& cells) const {
    const auto named = std::ranges::count_if(cells, [&](std::string_view cell) {
      return std::ranges::find(format_.fields, cell, &RecordField::name) != format_.fields.end();
    });
    return named > 0 && 2 * named >= std::ssize(cells);
  }

  void places_by_name(const std::vector<std::string_view>& cells) {
    std::string absent;
    for (std::size_t f = 0; f < format_.fields.size(); ++f) {
      const RecordField& field = format_.fields[f];
      const auto found = std::ranges::find(cells, field.name);
      places_.push_back(found == cells.end()
                            ? std::nullopt
                            : std::optional(static_cast<std::size_t>(found - cells.begin())));
      const bool needed = f != format_.target && field.kind != Kind::ignored;
      if (needed && found == cells.end()) absent += (absent.empty() ? "" : ", ") + field.name;
    }
    if (!absent.empty()) {
      reader_.fail("expected a column for all that the model takes, found none called " + absent);
    }
  }

  void places_by_position(const std::vector<std::string_view>& cells) {
    const std::size_t all = format_.fields.size();
    const bool without_target = format_.target && cells.size() + 1 == all;
    if (cells.size() != all && !without_target) {
      std::string names;
      for (std::size_t f = 0; f < all && f < 40; ++f) {
        if (f != format_.target) names += (names.empty() ? "" : ", ") + format_.fields[f].name;
      }
      const std::size_t least = format_.target ? all - 1 : all;
      reader_.fail("expected " + std::to_string(least) + " cells (" + names +
                   (all > 40 ? ", ..." : "") + ")" +
                   (format_.target ? ", or the target '" + format_.fields[*format_.target].name +
                                         "' in its place too"
                                   : "") +
                   ", found " + std::to_string(cells.size()));
    }
    std::size_t place = 0;
    for (std::size_t f = 0; f < all; ++f) {
      places_.push_back(without_target && f == format_.target ? std::nullopt
                                                              : std::optional(place++));
    }
  }

  void add(const std::vector<std::string_view>& cells) {
    const CellRules rules{format_.missing, format_.decimal};
    std::size_t at = records_.inputs.size();
    records_.inputs.resize(at + static_cast<std::size_t>(format_.inputs()));
    for (std::size_t f = 0; f < format_.fields.size(); ++f) {
      const RecordField& field = format_.fields[f];
      if (!places_[f]) continue;
      const std::string_view cell = cells[*places_[f]];
      if (f == format_.target) {
        records_.truth.emplace_back(cell);
        continue;
      }
      if (field.kind == Kind::ignored) continue;
      const CellValue value = read_cell(cell, rules);
      const bool missing = value.kind == CellValue::Kind::missing;
      float* to = records_.inputs.data() + at;
      if (field.kind == Kind::number) {
        const bool is_number = value.kind == CellValue::Kind::number;
        field.encode_number(is_number ? value.number : std::numeric_limits<double>::quiet_NaN(),
                            to);
        if (!is_number && (!missing || !field.may_miss)) odd_[f].add(reader_.line(), cell);
      } else {
        const std::int32_t index = missing ? -1 : field.category(cell);
        field.encode_category(index, missing, to);
        if (index < 0 && (!missing || !field.may_miss)) odd_[f].add(reader_.line(), cell);
      }
      at += static_cast<std::size_t>(field.width());
    }
    ++records_.size;
  }

  void add_notes() {
    for (std::size_t f = 0; f < odd_.size(); ++f) {
      const Oddity& odd = odd_[f];
      if (odd.count == 0) continue;
      const bool number = format_.fields[f].kind == Kind::number;
      records_.notes.push_back(
          reader_.origin() + ":" + std::to_string(odd.line) + ": column '" +
          format_.fields[f].name + "': " +
          (odd.cell.empty() ? std::string("a missing value, which no training row had")
           : number         ? "expected a number, found \"" + odd.cell + "\""
                            : "\"" + odd.cell + "\" is unknown to the model") +
          (number ? "; it counts as the mean" : "; it counts as none of the known ones") +
          (odd.count > 1 ? " (" + std::to_string(odd.count) + " such cells)" : ""));
    }
  }

  CsvReader reader_;
  const RecordFormat& format_;
  std::vector<std::optional<std::size_t>> places_;  // in a record, of each field
  std::vector<Oddity> odd_;                         // of each field
  Records records_;
};

}  // namespace

Records read_records(std::string_view csv, const std::string& origin, const RecordFormat& format) {
  if (!format.takes_records()) {
    throw StateError(origin +
                     ": expected a model that takes records, found one that takes numbers");
  }
  std::string text(csv);
  make_utf8(text);
  return RecordReader(text, origin, format).read();
}

}  // namespace soma::data
