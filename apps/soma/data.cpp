#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
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

int show_data(const std::string& spec, bool json) {
  const soma::DataSplit split = soma::data::load(spec);
  if (json) {
    const nlohmann::ordered_json out = {{"name", split.train.name()},
                                        {"train", describe(split.train)},
                                        {"test", describe(split.test)}};
    std::cout << out.dump() << "\n";
    return 0;
  }
  Table table({{"part"}, {"samples", Table::Align::right}, {"shape"}, {"targets"}, {"SHA-256"}});
  const std::pair<const char*, const soma::Dataset*> parts[] = {{"train", &split.train},
                                                                {"test", &split.test}};
  for (const auto& [name, part] : parts) {
    table.add({name, grouped(part->size()), part->sample_shape().str(),
               part->is_classification() ? std::to_string(part->classes()) + " classes"
                                         : part->target_shape().str(),
               part->sha256()});
  }
  std::cout << split.train.name() << "\n\n";
  table.print(std::cout);
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
  std::string action, spec;
  bool json = false;
  CommandLine line("data", "list | info SPEC [options]",
                   "list: the data sets by name, and whether they are here. info: shapes, classes "
                   "and SHA-256 of one;\nSPEC is a name, text:FILE or idx:DIR.");
  line.positional("ACTION", &action)
      .positional("SPEC", &spec, false)
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  if (action == "list") {
    if (!spec.empty()) throw UsageError("data list: takes no argument, got '" + spec + "'");
    return list_data(json);
  }
  if (action == "info") {
    if (spec.empty()) throw UsageError("data info: missing SPEC (see 'soma data --help')");
    return show_data(spec, json);
  }
  throw UsageError("data: expected list or info, got '" + action + "'");
}
