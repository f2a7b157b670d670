#include "metrics.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <sstream>

#include "files.hpp"
#include "soma/error.hpp"

namespace {

constexpr const char* kEpochHeader =
    "epoch,step,train_loss,train_accuracy,test_loss,test_accuracy,seconds,samples_per_second";
constexpr const char* kStepHeader = "step,train_loss";
constexpr std::int64_t kRowsPerEpoch = 100;

/// As many digits as bring the same number back.
std::string text_of(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

std::string text_of(const std::optional<double>& value) { return value ? text_of(*value) : ""; }

/// The cells of each line after the header; an empty cell is NaN.
std::vector<std::vector<double>> read_table(const std::filesystem::path& file, const char* header) {
  std::vector<std::vector<double>> table;
  if (!std::filesystem::exists(file)) return table;
  std::istringstream in(read_file(file));
  const auto columns = static_cast<std::size_t>(std::ranges::count(std::string(header), ',') + 1);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::string where = file.string() + ":" + std::to_string(number);
    if (number == 1) {
      if (line != header) {
        throw soma::FormatError(where + ": expected the header \"" + header + "\"");
      }
      continue;
    }
    std::vector<double> cells;
    std::istringstream row(line + ",");
    for (std::string cell; std::getline(row, cell, ',');) {
      double value = std::nan("");
      const auto read = std::from_chars(cell.data(), cell.data() + cell.size(), value);
      if (!cell.empty() && (read.ec != std::errc() || read.ptr != cell.data() + cell.size())) {
        throw soma::FormatError(where + ": expected a number, found \"" + cell + "\"");
      }
      cells.push_back(value);
    }
    if (cells.size() != columns) {
      throw soma::FormatError(where + ": expected " + std::to_string(columns) + " cells, found " +
                              std::to_string(cells.size()));
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
  for (const auto& cell : read_table(file_, kEpochHeader)) {
    rows_.push_back({static_cast<std::int64_t>(cell[0]), static_cast<std::int64_t>(cell[1]),
                     cell[2], optional_of(cell[3]), cell[4], optional_of(cell[5]), cell[6],
                     cell[7]});
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
  std::string text = std::string(kEpochHeader) + "\n";
  for (const EpochMetrics& row : rows_) {
    text += std::to_string(row.epoch) + "," + std::to_string(row.step) + "," +
            text_of(row.train_loss) + "," + text_of(row.train_accuracy) + "," +
            text_of(row.test_loss) + "," + text_of(row.test_accuracy) + "," + text_of(row.seconds) +
            "," + text_of(row.samples_per_second) + "\n";
  }
  write_file(file_, text);
  saved_ = true;
}

StepLosses::StepLosses(std::filesystem::path file) : file_(std::move(file)) {
  for (const auto& cell : read_table(file_, kStepHeader)) {
    rows_.push_back({static_cast<std::int64_t>(cell[0]), cell[1]});
  }
}

void StepLosses::rewind(std::int64_t step) {
  std::erase_if(rows_, [&](const Row& row) { return row.step > step; });
}

void StepLosses::add(std::int64_t step, std::int64_t steps_per_epoch, double loss) {
  sum_ += loss;
  ++count_;
  if (step % std::max<std::int64_t>(1, steps_per_epoch / kRowsPerEpoch) != 0) return;
  rows_.push_back({step, sum_ / static_cast<double>(count_)});
  sum_ = 0;
  count_ = 0;
}

void StepLosses::save() const {
  std::string text = std::string(kStepHeader) + "\n";
  for (const Row& row : rows_) {
    text += std::to_string(row.step) + "," + text_of(row.train_loss) + "\n";
  }
  write_file(file_, text);
}
