#include "health_log.hpp"

#include <charconv>
#include <cmath>
#include <sstream>

#include "files.hpp"
#include "soma/error.hpp"

namespace {

constexpr std::string_view kOldHeader =
    "epoch,step,layer,weight_mean,weight_deviation,gradient_mean,gradient_deviation,"
    "activation_mean,activation_deviation,zeros,dead,update_ratio";
const std::string kHeader = std::string(kOldHeader) + ",output_gradient,saturated,alarms";
constexpr std::size_t kCells = 15, kOldCells = 12, kFirstNumber = 3, kAlarms = 14;

std::string text_of(const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return "";
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, *value, std::chars_format::general, 6).ptr};
}

std::string text_of(const std::optional<LayerHealth::Spread>& spread) {
  return spread ? text_of(spread->mean) + "," + text_of(spread->deviation) : ",";
}

std::optional<double> number_in(const std::string& cell, const std::string& where) {
  if (cell.empty()) return std::nullopt;
  double value = 0;
  const auto read = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (read.ec != std::errc() || read.ptr != cell.data() + cell.size()) {
    throw soma::FormatError(where + ": expected a number, found \"" + cell + "\"");
  }
  return value;
}

std::optional<LayerHealth::Spread> spread_of(const std::optional<double>& mean,
                                             const std::optional<double>& deviation) {
  if (!mean || !deviation) return std::nullopt;
  return LayerHealth::Spread{*mean, *deviation};
}

}  // namespace

HealthLog::HealthLog(std::filesystem::path file) : file_(std::move(file)) {
  if (!std::filesystem::exists(file_)) return;
  std::istringstream in(read_file(file_));
  std::string line;
  bool old = false;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::string where = file_.string() + ":" + std::to_string(number);
    if (number == 1) {
      old = line == kOldHeader;
      if (old || line == kHeader) continue;
      throw soma::FormatError(where + ": expected the header \"" + kHeader + "\"");
    }
    std::vector<std::string> cells;
    std::istringstream row(line + ",");
    for (std::string cell; std::getline(row, cell, ',');) cells.push_back(cell);
    const std::size_t expected = old ? kOldCells : kCells;
    if (cells.size() != expected) {
      throw soma::FormatError(where + ": expected " + std::to_string(expected) + " cells, found " +
                              std::to_string(cells.size()));
    }
    cells.resize(kCells);
    std::vector<std::optional<double>> n;
    for (std::size_t i = kFirstNumber; i < kAlarms; ++i) n.push_back(number_in(cells[i], where));
    const auto epoch = static_cast<std::int64_t>(number_in(cells[0], where).value_or(0));
    const auto step = static_cast<std::int64_t>(number_in(cells[1], where).value_or(0));
    if (epochs_.empty() || epochs_.back().step != step) epochs_.push_back({epoch, step, {}});
    epochs_.back().layers.push_back({.layer = cells[2],
                                     .weights = spread_of(n[0], n[1]),
                                     .gradients = spread_of(n[2], n[3]),
                                     .activations = spread_of(n[4], n[5]),
                                     .zeros = n[6],
                                     .dead = n[7],
                                     .update = n[8],
                                     .output_gradient = n[9],
                                     .saturated = n[10],
                                     .alarms = cells[kAlarms]});
  }
}

void HealthLog::rewind(std::int64_t step) {
  std::erase_if(epochs_, [&](const Epoch& epoch) { return epoch.step > step; });
}

void HealthLog::add(Epoch epoch) {
  std::erase_if(epochs_, [&](const Epoch& old) { return old.step >= epoch.step; });
  epochs_.push_back(std::move(epoch));
  saved_ = false;
}

void HealthLog::save() {
  if (saved_) return;
  std::string text = kHeader + "\n";
  for (const Epoch& epoch : epochs_) {
    for (const LayerHealth& h : epoch.layers) {
      text += std::to_string(epoch.epoch) + "," + std::to_string(epoch.step) + "," + h.layer + "," +
              text_of(h.weights) + "," + text_of(h.gradients) + "," + text_of(h.activations) + "," +
              text_of(h.zeros) + "," + text_of(h.dead) + "," + text_of(h.update) + "," +
              text_of(h.output_gradient) + "," + text_of(h.saturated) + "," + h.alarms + "\n";
    }
  }
  write_file(file_, text);
  saved_ = true;
}
