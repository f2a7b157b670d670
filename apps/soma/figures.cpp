#include "figures.hpp"

#include <cmath>
#include <cstdio>
#include <numbers>

#include "session.hpp"
#include "table.hpp"

using nlohmann::ordered_json;

namespace {

constexpr std::int64_t kTop = 5;
constexpr std::size_t kMostPrinted = 12;  // classes of a confusion matrix on a terminal

std::string text_of(double value, const char* form = "%.4g") {
  char text[48];
  std::snprintf(text, sizeof text, form, value);
  return text;
}

/// One of the target's units, in the numbers that the model is trained on.
double unit_of(const soma::RecordFormat& format) {
  if (!format.target || *format.target >= format.fields.size()) return 1;
  const soma::RecordField& target = format.fields[*format.target];
  return target.kind == soma::RecordField::Kind::number ? target.deviation : 1;
}

ordered_json json_of(const std::optional<double>& value) {
  return value && std::isfinite(*value) ? ordered_json(*value) : ordered_json();
}

}  // namespace

Figures figures_of(const soma::Evaluation& evaluation, const soma::Dataset& data) {
  Figures figures;
  if (std::ssize(evaluation.ranks) > kTop) figures[0] = top_k_accuracy(evaluation, kTop);
  if (!evaluation.confusion.empty()) {
    const soma::ClassScore mean = macro_average(class_scores(evaluation));
    figures[1] = mean.precision;
    figures[2] = mean.recall;
    figures[3] = mean.f1;
  }
  if (evaluation.cross_entropy) {
    figures[4] = std::exp(*evaluation.cross_entropy);
    if (data.target_shape().rank() > 0) {
      figures[5] = *evaluation.cross_entropy / std::numbers::ln2;
    }
  }
  if (evaluation.errors) {
    const double unit = unit_of(data.record_format());
    figures[6] = evaluation.errors->mean_absolute * unit;
    figures[7] = evaluation.errors->root_mean_square * unit;
    figures[8] = evaluation.errors->r2;
  }
  return figures;
}

ordered_json figures_json(const soma::Evaluation& evaluation, const soma::Dataset& data) {
  ordered_json out = {{"accuracy", nullptr}};
  if (!evaluation.confusion.empty()) out["accuracy"] = evaluation.accuracy;
  const Figures figures = figures_of(evaluation, data);
  for (std::size_t i = 0; i < figures.size(); ++i) out[kFigureNames[i]] = json_of(figures[i]);
  return out;
}

ordered_json classes_json(const soma::Evaluation& evaluation, const soma::Dataset& data) {
  if (evaluation.confusion.empty()) return nullptr;
  const auto scores = class_scores(evaluation);
  const auto names = confusion_names(evaluation, data.class_names());
  auto list = ordered_json::array();
  for (std::size_t c = 0; c < scores.size(); ++c) {
    list.push_back({{"name", names[c]},
                    {"precision", scores[c].precision},
                    {"recall", scores[c].recall},
                    {"f1", scores[c].f1},
                    {"support", scores[c].support}});
  }
  return list;
}

ordered_json confusion_json(const soma::Evaluation& evaluation) {
  if (evaluation.confusion.empty()) return nullptr;
  const std::size_t classes = class_scores(evaluation).size();
  auto rows = ordered_json::array();
  for (std::size_t truth = 0; truth < classes; ++truth) {
    const auto begin = evaluation.confusion.begin() + static_cast<std::ptrdiff_t>(truth * classes);
    rows.push_back(std::vector<std::int64_t>(begin, begin + static_cast<std::ptrdiff_t>(classes)));
  }
  return rows;
}

std::vector<std::string> confusion_names(const soma::Evaluation& evaluation,
                                         const std::vector<std::string>& class_names) {
  std::vector<std::string> names = class_names;
  while (names.size() * names.size() < evaluation.confusion.size()) {
    names.push_back(std::to_string(names.size()));
  }
  return names;
}

void print_figures(std::ostream& out, const soma::Evaluation& evaluation,
                   const soma::Dataset& data) {
  const Figures figures = figures_of(evaluation, data);
  std::string line;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    if (!figures[i]) continue;
    std::string name = kFigureNames[i];
    for (char& c : name) c = c == '_' ? ' ' : c;
    line += (line.empty() ? "" : ", ") + name + " " + text_of(*figures[i]);
  }
  if (!line.empty()) out << line << "\n";
  if (evaluation.confusion.empty()) return;
  const auto scores = class_scores(evaluation);
  const auto names = confusion_names(evaluation, data.class_names());
  using enum Table::Align;
  const bool matrix = scores.size() <= kMostPrinted;
  std::vector<Table::Column> columns = {
      {"class"}, {"precision", right}, {"recall", right}, {"f1", right}, {"samples", right}};
  if (matrix) {
    columns.push_back({"  said:"});
    for (const std::string& name : names) columns.push_back({name, right});
  }
  Table table(columns);
  for (std::size_t c = 0; c < scores.size(); ++c) {
    const soma::ClassScore& score = scores[c];
    std::vector<std::string> row = {names[c], text_of(score.precision, "%.3f"),
                                    text_of(score.recall, "%.3f"), text_of(score.f1, "%.3f"),
                                    grouped(score.support)};
    if (matrix) {
      row.emplace_back();
      for (std::size_t said = 0; said < scores.size(); ++said) {
        row.push_back(grouped(evaluation.confusion[c * scores.size() + said]));
      }
    }
    table.add(row);
  }
  out << "\n";
  table.print(out);
}
