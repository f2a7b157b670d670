#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "fetch.hpp"
#include "session.hpp"
#include "soma/dataset.hpp"
#include "table.hpp"

namespace {

int list_data(bool json) {
  nlohmann::ordered_json sets = nlohmann::ordered_json::array();
  Table table({{"name"}, {"here"}, {"what"}, {"from"}});
  for (const auto& set : soma::data::list()) {
    sets.push_back({{"name", set.name},
                    {"available", set.available},
                    {"summary", set.summary},
                    {"source", set.source}});
    table.add({set.name, set.available ? "yes" : "no", set.summary, set.source});
  }
  if (json) {
    std::cout << nlohmann::ordered_json{{"data", sets}}.dump() << "\n";
    return 0;
  }
  table.print(std::cout);
  return 0;
}

std::vector<std::int64_t> count_classes(const soma::Dataset& data) {
  std::vector<std::int64_t> counts(static_cast<std::size_t>(data.classes()));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(data.target_shape().elements()));
  for (std::int64_t row = 0; row < data.size(); ++row) {
    data.gather_labels({&row, 1}, labels.data());
    for (const std::int32_t label : labels) {
      if (label >= 0) ++counts[static_cast<std::size_t>(label)];
    }
  }
  return counts;
}

nlohmann::ordered_json describe(const soma::Dataset& data) {
  const auto dims = data.sample_shape().dims();
  nlohmann::ordered_json out = {{"samples", data.size()},
                                {"shape", std::vector<std::int64_t>(dims.begin(), dims.end())}};
  if (data.is_classification()) {
    nlohmann::ordered_json classes = nlohmann::ordered_json::array();
    const auto counts = count_classes(data);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      classes.push_back({{"name", data.class_names()[i]}, {"count", counts[i]}});
    }
    out["classes"] = classes;
  } else {
    const auto target = data.target_shape().dims();
    out["target_shape"] = std::vector<std::int64_t>(target.begin(), target.end());
  }
  out["sha256"] = data.sha256();
  return out;
}

/// A number's place and spread, a text's values, or why a column is left out.
std::string how_read(const soma::RecordField& field) {
  if (field.kind == soma::RecordField::Kind::ignored) return field.reason;
  std::string text;
  if (field.kind == soma::RecordField::Kind::number) {
    char numbers[96];
    std::snprintf(numbers, sizeof numbers, "mean %.6g, deviation %.6g", field.mean,
                  field.deviation);
    text = numbers;
  } else {
    constexpr std::size_t kShown = 6;
    const std::size_t shown = std::min(field.categories.size(), kShown);
    for (std::size_t i = 0; i < shown; ++i) text += (i == 0 ? "" : ", ") + field.categories[i];
    if (field.categories.size() > shown) {
      text += " and " + std::to_string(field.categories.size() - shown) + " more";
    }
  }
  return field.may_miss ? text + "; may be missing" : text;
}

const char* kind_of(const soma::RecordFormat& format, std::size_t i) {
  if (i == format.target) return "target";
  using Kind = soma::RecordField::Kind;
  const Kind kind = format.fields[i].kind;
  return kind == Kind::number ? "number" : kind == Kind::category ? "text" : "left out";
}

nlohmann::ordered_json columns_json(const soma::RecordFormat& format) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < format.fields.size(); ++i) {
    const soma::RecordField& field = format.fields[i];
    list.push_back({{"name", field.name},
                    {"kind", kind_of(format, i)},
                    {"inputs", i == format.target ? 0 : field.width()},
                    {"read", how_read(field)}});
  }
  return list;
}

void print_columns(const soma::RecordFormat& format) {
  if (!format.takes_records()) return;
  Table table({{"column"}, {"kind"}, {"inputs", Table::Align::right}, {"how it is read"}});
  for (std::size_t i = 0; i < format.fields.size(); ++i) {
    const soma::RecordField& field = format.fields[i];
    table.add({field.name, kind_of(format, i),
               i == format.target ? "" : std::to_string(field.width()), how_read(field)});
  }
  std::cout << "\n";
  table.print(std::cout);
}

int show_data(const std::string& spec, bool json) {
  const soma::DataSplit split = soma::data::load(spec);
  const bool validated = split.validation.size() > 0;
  if (json) {
    nlohmann::ordered_json out = {{"name", split.train.name()},
                                  {"train", describe(split.train)},
                                  {"test", describe(split.test)}};
    if (validated) out["validation"] = describe(split.validation);
    out["columns"] = columns_json(split.train.record_format());
    out["notes"] = split.train.notes();
    std::cout << out.dump() << "\n";
    return 0;
  }
  Table table({{"part"}, {"samples", Table::Align::right}, {"shape"}, {"targets"}, {"SHA-256"}});
  std::vector<std::pair<const char*, const soma::Dataset*>> parts = {{"train", &split.train},
                                                                     {"test", &split.test}};
  if (validated) parts.insert(parts.begin() + 1, {"validation", &split.validation});
  for (const auto& [name, part] : parts) {
    table.add({name, grouped(part->size()), part->sample_shape().str(),
               part->is_classification() ? std::to_string(part->classes()) + " classes"
                                         : part->target_shape().str(),
               part->sha256()});
  }
  std::cout << split.train.name() << "\n\n";
  table.print(std::cout);
  print_columns(split.train.record_format());
  for (const std::string& note : split.train.notes()) std::cout << "\nnote: " << note;
  if (!split.train.notes().empty()) std::cout << "\n";
  if (!split.train.is_classification()) return 0;
  Table classes({{"class"}, {"train", Table::Align::right}, {"test", Table::Align::right}});
  const auto train = count_classes(split.train), test = count_classes(split.test);
  for (std::size_t i = 0; i < train.size(); ++i) {
    classes.add({split.train.class_names()[i], grouped(train[i]), grouped(test[i])});
  }
  std::cout << "\n";
  classes.print(std::cout);
  return 0;
}

}  // namespace

int run_data(Arguments args) {
  std::string action;
  FetchRequest fetch;
  std::string& spec = fetch.what;
  bool& json = fetch.json;
  CommandLine line("data", "list | info SPEC | fetch NAME|URL [options]",
                   "list: the data sets by name, and whether they are here. info: shapes, classes "
                   "and SHA-256 of one;\nSPEC is a name, csv:FILE, images:DIR and others. fetch: "
                   "downloads a public set by name, or any file;\nwhat was cut off goes on where "
                   "it ended.");
  line.positional("ACTION", &action)
      .positional("SPEC", &spec, false)
      .option("from", &fetch.from, "URL", "fetch: the folder of a mirror to take the set from")
      .option("to", &fetch.to, "FILE", "fetch URL: where to put it (default: its name)")
      .option("sha256", &fetch.sha256, "HEX", "fetch URL: what the file must be")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  if (action != "fetch") {
    for (const char* option : {"from", "to", "sha256"}) {
      if (line.given(option)) {
        throw UsageError("--" + std::string(option) + " is for 'soma data fetch'");
      }
    }
  }
  if (action == "list") {
    if (!spec.empty()) throw UsageError("data list: takes no argument, got '" + spec + "'");
    return list_data(json);
  }
  if (action == "info") {
    if (spec.empty()) throw UsageError("data info: missing SPEC (see 'soma data --help')");
    return show_data(spec, json);
  }
  if (action == "fetch") {
    if (spec.empty()) throw UsageError("data fetch: missing NAME (see 'soma data --help')");
    return fetch_data(fetch);
  }
  throw UsageError("data: expected list, info or fetch, got '" + action + "'");
}
