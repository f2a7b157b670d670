#include "data/series.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/cell.hpp"
#include "data/file_text.hpp"
#include "data/learn_format.hpp"
#include "data/table.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

struct Windows {
  std::int64_t length, horizon, stride;
};

/// Windows within the rows [first, end), the targets too.
Dataset windows_of(const Spec& spec, const std::vector<std::vector<float>>& columns,
                   const Windows& windows, std::int64_t first, std::int64_t end,
                   const RecordFormat& format) {
  const std::int64_t needed = windows.length + windows.horizon;
  if (end - first < needed) {
    spec.fail("expected parts of " + std::to_string(needed) + " rows or more, found one of " +
              std::to_string(end - first));
  }
  const std::int64_t n = (end - first - needed) / windows.stride + 1;
  const std::int64_t width = std::ssize(columns);
  Tensor inputs({n, windows.length, width}), targets({n, 1});
  auto to = inputs.as<float>().begin();
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t start = first + i * windows.stride;
    for (std::int64_t t = start; t < start + windows.length; ++t) {
      for (const auto& column : columns) *to++ = column[static_cast<std::size_t>(t)];
    }
    targets.as<float>()[static_cast<std::size_t>(i)] =
        columns[0][static_cast<std::size_t>(start + needed - 1)];
  }
  return Dataset(spec.text(), std::move(inputs), std::move(targets)).with_format(format);
}

/// One field for each element of a window, from old to new, and the target.
RecordFormat format_of(const std::vector<std::string>& names, const std::vector<Spread>& spreads,
                       const Windows& windows) {
  RecordFormat format;
  for (std::int64_t t = windows.length; t > 0; --t) {
    for (std::size_t c = 0; c < names.size(); ++c) {
      format.fields.push_back({.name = names[c] + " -" + std::to_string(t - 1),
                               .mean = spreads[c].mean,
                               .deviation = spreads[c].deviation});
    }
  }
  format.target = format.fields.size();
  format.fields.push_back({.name = names[0] + " +" + std::to_string(windows.horizon),
                           .mean = spreads[0].mean,
                           .deviation = spreads[0].deviation});
  return format;
}

}  // namespace

DataSplit load_series(Spec spec, const std::string& file, const LoadOptions& options) {
  std::vector<std::string> names = spec.list_option("column");
  const Windows windows{spec.count_option("window", 30), spec.count_option("horizon", 1),
                        spec.count_option("stride", 1)};
  const double test = spec.number_option("test", 0.2, 0.01, 0.9);
  const double validation = spec.number_option("validation", 0, 0, 0.9);
  spec.finish();
  const std::string text = read_text(file);
  TableOptions reading;
  reading.missing.assign(usual_missing_words().begin(), usual_missing_words().end());
  if (!names.empty()) reading.likely_name = names[0];
  Table table(text, file, reading);
  if (names.empty()) names.push_back(table.columns().back().name);

  const std::int64_t rows = table.rows();
  const auto tested = std::llround(test * static_cast<double>(rows));
  const auto validated = std::llround(validation * static_cast<double>(rows));
  const std::int64_t trained = rows - tested - validated;
  if (trained < 1) spec.fail("expected test and validation to leave something for training");
  std::vector<std::int64_t> training_rows(static_cast<std::size_t>(trained));
  std::iota(training_rows.begin(), training_rows.end(), std::int64_t{0});

  const RecordFormat* given =
      options.format != nullptr && options.format->takes_records() ? options.format : nullptr;
  if (given != nullptr && std::ssize(given->fields) != windows.length * std::ssize(names) + 1) {
    spec.fail("expected windows of " + std::to_string(given->fields.size() - 1) +
              " numbers as the model takes, found " +
              std::to_string(windows.length * std::ssize(names)));
  }
  std::vector<std::vector<float>> columns;
  std::vector<Spread> spreads;
  for (std::string& name : names) {
    const TableColumn& column = table.columns()[table.column(name)];
    name = column.name;
    const auto gap = std::ranges::find_if(column.numbers, [](double x) { return std::isnan(x); });
    if (gap != column.numbers.end()) {
      throw FormatError(file + ": row " + std::to_string(gap - column.numbers.begin() + 1) +
                        ", column '" + name + "': expected a number, found " +
                        (column.texts > 0 ? "text such as \"" + column.text + "\"" : "nothing"));
    }
    Spread spread = spread_of(column.numbers, training_rows);
    if (given != nullptr) {
      const RecordField& field = given->fields[columns.size()];
      spread = {trained, field.mean, field.deviation};
    }
    if (spread.deviation == 0) {
      throw FormatError(file + ": column '" + name +
                        "': expected numbers that vary, found always the same");
    }
    std::vector<float>& scaled = columns.emplace_back();
    for (const double x : column.numbers) {
      scaled.push_back(static_cast<float>((x - spread.mean) / spread.deviation));
    }
    spreads.push_back(spread);
  }
  const RecordFormat format = format_of(names, spreads, windows);
  DataSplit parts{windows_of(spec, columns, windows, 0, trained, format),
                  windows_of(spec, columns, windows, rows - tested, rows, format)};
  if (validated > 0) {
    parts.validation = windows_of(spec, columns, windows, trained, rows - tested, format);
  }
  return parts;
}

}  // namespace soma::data
