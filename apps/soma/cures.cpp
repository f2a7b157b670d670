#include "cures.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "command_line.hpp"
#include "report.hpp"
#include "soma/error.hpp"

using nlohmann::ordered_json;

namespace {

constexpr std::array kNames = {"leaky_relu", "prelu",    "elu",     "gelu",
                               "relu",       "lower-lr", "he-init", "clip-norm",
                               "batch-norm", "residual", "dropout"};

bool is_activation(const std::string& cure) {
  return cure == "leaky_relu" || cure == "prelu" || cure == "elu" || cure == "gelu" ||
         cure == "relu";
}

bool is_linear(const ordered_json& layer) {
  const std::string type = layer.value("type", "");
  return type == "dense" || type == "conv2d" || type == "conv1d";
}

/// Where a layer's JSON has its activation, and which; "" for none.
std::string activation_of(const ordered_json& layer) {
  if (layer.value("type", "") == "activation") return layer.value("function", "relu");
  return is_linear(layer) ? layer.value("activation", "") : "";
}

/// A model's JSON under treatment.
class Patient {
 public:
  Patient(const RunConfig& run, std::span<const soma::Alarm> alarms)
      : model_(ordered_json::parse(run.architecture)), alarms_(alarms) {
    name_inputs();
  }

  std::vector<std::string> changes;
  std::string text() const { return model_.dump(2); }

  /// Replaces the activations of the ill layers, and those like them, by `to`.
  void activation(const std::string& to) {
    const std::set<std::string> from = ill_activations(to);
    for (ordered_json& layer : model_["layers"]) {
      const std::string old = activation_of(layer);
      if (!from.contains(old) || is_output(layer)) continue;
      layer[layer.value("type", "") == "activation" ? "function" : "activation"] = to;
      // An initialisation made for the old one goes with it.
      if (soma::bounds_of(old)) layer.erase("init");
      changes.push_back(std::string(layer["name"]) + ": activation " + old + " -> " + to);
    }
  }

  void he_init() {
    for (ordered_json& layer : model_["layers"]) {
      if (!is_linear(layer) || is_output(layer)) continue;
      const std::string old = layer.value("init", "auto");
      if (old == "he_normal") continue;
      layer["init"] = "he_normal";
      changes.push_back(std::string(layer["name"]) + ": init " + old + " -> he_normal");
    }
  }

  /// A batch normalisation between each weighted sum and its activation.
  void batch_norm() {
    auto layers = ordered_json::array();
    for (ordered_json layer : model_["layers"]) {
      const std::string old = is_linear(layer) ? activation_of(layer) : "";
      if (old.empty() || is_output(layer)) {
        layers.push_back(std::move(layer));
        continue;
      }
      const std::string name = layer["name"];
      layer.erase("activation");
      layers.push_back(std::move(layer));
      layers.push_back({{"type", "batch_norm"}, {"name", name + "_norm"}, {"inputs", {name}}});
      layers.push_back({{"type", "activation"},
                        {"name", name + "_" + old},
                        {"function", old},
                        {"inputs", {name + "_norm"}}});
      renamed_.emplace_back(name, name + "_" + old);
      own_.insert(name + "_norm");
      changes.push_back(name + ": batch normalisation in front of " + old);
    }
    model_["layers"] = std::move(layers);
    rename_inputs();
  }

  void dropout() {
    auto layers = ordered_json::array();
    for (ordered_json& layer : model_["layers"]) {
      layers.push_back(layer);
      if (!is_ill(layer["name"]) || is_output(layer)) continue;
      const std::string name = layer["name"];
      ordered_json drop = follow(name, "dropout", name + "_dropout");
      drop["rate"] = 0.2;
      layers.push_back(std::move(drop));
      changes.push_back(name + ": dropout 0.2 behind it");
    }
    model_["layers"] = std::move(layers);
    rename_inputs();
  }

  /// Around every dense layer whose input is as wide as it is.
  void residual() {
    auto layers = ordered_json::array();
    std::map<std::string, std::int64_t> width;
    for (ordered_json& layer : model_["layers"]) {
      const std::string name = layer["name"];
      const bool dense = layer.value("type", "") == "dense" && layer["inputs"].size() == 1;
      layers.push_back(layer);
      if (!dense) continue;
      const std::int64_t units = layer.value("units", 0);
      width[name] = units;
      const std::string before = layer["inputs"][0];
      if (is_output(layer) || !width.contains(before) || width[before] != units) continue;
      layers.push_back({{"type", "add"}, {"name", name + "_skip"}, {"inputs", {name, before}}});
      renamed_.emplace_back(name, name + "_skip");
      own_.insert(name + "_skip");
      changes.push_back(name + ": skip connection around it");
    }
    model_["layers"] = std::move(layers);
    rename_inputs();
  }

 private:
  /// Says of each layer where its input comes from, so that layers can be put in between.
  void name_inputs() {
    std::string before = model_.contains("inputs")
                             ? std::string(model_["inputs"][0].value("name", "input"))
                             : std::string("input");
    for (ordered_json& layer : model_["layers"]) {
      if (!layer.contains("inputs")) layer["inputs"] = ordered_json::array({before});
      before = layer["name"];
    }
    outputs_ = model_.value("outputs", std::vector<std::string>{before});
  }

  /// A layer that takes the place of `name` for those that read from it.
  ordered_json follow(const std::string& name, const char* type, const std::string& as) {
    renamed_.emplace_back(name, as);
    own_.insert(as);
    return {{"type", type}, {"name", as}, {"inputs", {name}}};
  }

  void rename_inputs() {
    for (ordered_json& layer : model_["layers"]) {
      if (own_.contains(layer["name"])) continue;
      for (ordered_json& input : layer["inputs"]) {
        for (const auto& [from, to] : renamed_) {
          if (input == from && layer["name"] != to) {
            input = to;
            break;
          }
        }
      }
    }
  }

  bool is_ill(const std::string& layer) const {
    return alarms_.empty() || std::ranges::any_of(alarms_, [&](const soma::Alarm& alarm) {
             return alarm.layer == layer || alarm.layer.starts_with(layer + ".");
           });
  }
  bool is_output(const ordered_json& layer) const {
    return std::ranges::count(outputs_, layer["name"].get<std::string>()) > 0;
  }

  /// What the ill layers have, but for `to`; without any, all that shut or saturate.
  std::set<std::string> ill_activations(const std::string& to) const {
    std::set<std::string> of_ill, of_all;
    for (const ordered_json& layer : model_["layers"]) {
      const std::string activation = activation_of(layer);
      const bool treatable =
          activation == "relu" || activation == "step" || soma::bounds_of(activation).has_value();
      if (!treatable || activation == to || is_output(layer)) continue;
      of_all.insert(activation);
      if (is_ill(layer["name"])) of_ill.insert(activation);
    }
    return of_ill.empty() ? of_all : of_ill;
  }

  ordered_json model_;
  std::span<const soma::Alarm> alarms_;
  std::vector<std::string> outputs_;
  std::vector<std::pair<std::string, std::string>> renamed_;
  std::set<std::string> own_;  // layers that were put in
};

}  // namespace

std::span<const char* const> cure_names() { return kNames; }

Cured apply_cure(const std::string& cure, const RunConfig& run,
                 std::span<const soma::Alarm> alarms) {
  const std::vector<std::string> names(kNames.begin(), kNames.end());
  require_one_of("apply", cure, names);
  Cured cured{run, {}};
  Patient patient(run, alarms);
  if (is_activation(cure)) {
    patient.activation(cure);
    if (cure == "relu") patient.he_init();
  } else if (cure == "he-init") {
    patient.he_init();
  } else if (cure == "batch-norm") {
    patient.batch_norm();
  } else if (cure == "residual") {
    patient.residual();
  } else if (cure == "dropout") {
    patient.dropout();
  } else if (cure == "lower-lr") {
    const double old = run.optimizer.learning_rate;
    cured.config.optimizer.learning_rate = old / 10;
    cured.changes.push_back("learning rate " + brief_number(old) + " -> " + brief_number(old / 10));
  } else if (cure == "clip-norm" && run.regularization.clip_norm != 1) {
    cured.config.regularization.clip_norm = 1;
    cured.changes.push_back("gradients clipped to a norm of 1");
  }
  cured.changes.insert(cured.changes.end(), patient.changes.begin(), patient.changes.end());
  if (cured.changes.empty()) {
    throw soma::StateError("cure " + cure + ": " + run.model + " has nothing that it would change");
  }
  cured.config.architecture = patient.text();
  return cured;
}
