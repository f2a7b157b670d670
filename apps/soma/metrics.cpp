#include "metrics.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <sstream>

#include "files.hpp"
#include "soma/error.hpp"

namespace {

constexpr std::array kEpochColumns = {
    "epoch",         "step",    "train_loss",         "train_accuracy", "test_loss",
    "test_accuracy", "seconds", "samples_per_second", "learning_rate",  "data_seconds"};
constexpr std::size_t kFirstEpochColumns = 8;  // that the first version wrote
constexpr std::array kStepColumns = {"step", "train_loss", "learning_rate"};
constexpr std::size_t kFirstStepColumns = 2;
constexpr std::int64_t kRowsPerEpoch = 100;

/// As many digits as bring the same number back.
std::string text_of(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string text_of(const std::optional<double>& value) { return value ? text_of(*value) : ""; }

std::vector<std::string> epoch_columns() {
  std::vector<std::string> columns(kEpochColumns.begin(), kEpochColumns.end());
  for (const char* figure : kFigureNames) columns.push_back(std::string("test_") + figure);
  return columns;
}

std::string joined(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : ",") + word;
  return line;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream row(line + ",");
  for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
  return cells;
}

/// The cells of each line after the header; an empty cell is NaN, and so are those of columns that
/// the file lacks: it may be of an earlier version, which wrote `least` or more of `columns`.
std::vector<std::vector<double>> read_table(const std::filesystem::path& file,
                                            const std::vector<std::string>& columns,
                                            std::size_t least) {
  std::vector<std::vector<double>> table;
  if (!std::filesystem::exists(file)) return table;
  std::istringstream in(read_file(file));
  std::size_t width = 0;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::string where = file.string() + ":" + std::to_string(number);
    const std::vector<std::string> words = cells_of(line);
    if (number == 1) {
      width = words.size();
      if (width < least || width > columns.size() ||
          !std::equal(words.begin(), words.end(), columns.begin())) {
        throw soma::FormatError(where + ": expected the header \"" + joined(columns) + "\"");
      }
      continue;
    }
    if (words.size() != width) {
      throw soma::FormatError(where + ": expected " + std::to_string(width) + " cells, found " +
                              std::to_string(words.size()));
    }
    std::vector<double> cells(columns.size(), std::nan(""));
    for (std::size_t i = 0; i < width; ++i) {
      const std::string& cell = words[i];
      const auto read = std::from_chars(cell.data(), cell.data() + cell.size(), cells[i]);
      if (!cell.empty() && (read.ec != std::errc() || read.ptr != cell.data() + cell.size())) {
        throw soma::FormatError(where + ": expected a number, found \"" + cell + "\"");
      }
    }
    table.push_back(std::move(cells));
  }
  return table;
}

std::optional<double> optional_of(double cell) {
  return std::isnan(cell) ? std::nullopt : std::optional(cell);
}

}  // namespace

Metrics::Metrics(std::filesystem::path file) : file_(std::move(file)) {
  for (const auto& cell : read_table(file_, epoch_columns(), kFirstEpochColumns)) {
    EpochMetrics row{.epoch = static_cast<std::int64_t>(cell[0]),
                     .step = static_cast<std::int64_t>(cell[1]),
                     .train_loss = cell[2],
                     .train_accuracy = optional_of(cell[3]),
                     .test_loss = cell[4],
                     .test_accuracy = optional_of(cell[5]),
                     .seconds = cell[6],
                     .samples_per_second = cell[7],
                     .learning_rate = optional_of(cell[8]),
                     .data_seconds = optional_of(cell[9])};
    for (std::size_t i = 0; i < row.figures.size(); ++i) {
      row.figures[i] = optional_of(cell[kEpochColumns.size() + i]);
    }
    rows_.push_back(std::move(row));
  }
}

void Metrics::rewind(std::int64_t step, std::int64_t steps_per_epoch) {
  std::erase_if(rows_, [&](const EpochMetrics& row) {
    return row.step > step || row.step != row.epoch * steps_per_epoch;
  });
}

void Metrics::add(const EpochMetrics& row) {
  std::erase_if(rows_, [&](const EpochMetrics& old) { return old.step >= row.step; });
  rows_.push_back(row);
  saved_ = false;
}

void Metrics::save() {
  if (saved_) return;
  std::string text = joined(epoch_columns()) + "\n";
  for (const EpochMetrics& row : rows_) {
    text += std::to_string(row.epoch) + "," + std::to_string(row.step) + "," +
            text_of(row.train_loss) + "," + text_of(row.train_accuracy) + "," +
            text_of(row.test_loss) + "," + text_of(row.test_accuracy) + "," + text_of(row.seconds) +
            "," + text_of(row.samples_per_second) + "," + text_of(row.learning_rate) + "," +
            text_of(row.data_seconds);
    for (const auto& figure : row.figures) text += "," + text_of(figure);
    text += "\n";
  }
  write_file(file_, text);
  saved_ = true;
}

StepLosses::StepLosses(std::filesystem::path file) : file_(std::move(file)) {
  const std::vector<std::string> columns(kStepColumns.begin(), kStepColumns.end());
  for (const auto& cell : read_table(file_, columns, kFirstStepColumns)) {
    rows_.push_back({static_cast<std::int64_t>(cell[0]), cell[1], optional_of(cell[2])});
  }
}

void StepLosses::rewind(std::int64_t step) {
  std::erase_if(rows_, [&](const Row& row) { return row.step > step; });
}

std::optional<StepLosses::Row> StepLosses::add(const soma::Progress& at) {
  sum_ += at.loss;
  ++count_;
  if (at.step % std::max<std::int64_t>(1, at.steps_per_epoch / kRowsPerEpoch) != 0) return {};
  rows_.push_back({at.step, sum_ / static_cast<double>(count_), at.learning_rate});
  sum_ = 0;
  count_ = 0;
  return rows_.back();
}

void StepLosses::save() const {
  std::string text = joined({kStepColumns.begin(), kStepColumns.end()}) + "\n";
  for (const Row& row : rows_) {
    text += std::to_string(row.step) + "," + text_of(row.train_loss) + "," +
            text_of(row.learning_rate) + "\n";
  }
  write_file(file_, text);
}
