#include <algorithm>
#include <array>
#include <cstdio>

#include "lint.hpp"

namespace {

template <std::size_t N>
bool among(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

const char* name_of(Finding::Severity severity) {
  constexpr const char* kNames[] = {"info", "warning", "error"};
  return kNames[static_cast<int>(severity)];
}

bool saturates(const std::string& activation) {
  return among<5>(activation, {"sigmoid", "tanh", "softsign", "hard_sigmoid", "step"});
}

bool rectifies(const std::string& activation) { return among<2>(activation, {"relu", "relu6"}); }

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

LintSubject::LintSubject(const soma::Model& m, TrainingPlan p, const soma::DataSplit* d)
    : model(m), plan(std::move(p)), data(d), layers(m.layers()), consumers_(layers.size()) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    for (const std::string& input : layers[i].inputs) {
      if (const auto from = find(input)) consumers_[*from].push_back(i);
    }
    index_[layers[i].name] = i;
  }
}

std::optional<std::size_t> LintSubject::find(const std::string& name) const {
  const auto it = index_.find(name);
  return it == index_.end() ? std::nullopt : std::optional(it->second);
}

std::string LintSubject::text(std::size_t layer, const char* attribute) const {
  return layers[layer].layer->attributes().text(attribute, "");
}

double LintSubject::real(std::size_t layer, const char* attribute, double otherwise) const {
  return layers[layer].layer->attributes().real(attribute, otherwise);
}

bool LintSubject::is_linear(std::size_t layer) const {
  return among<4>(layers[layer].layer->type(), {"dense", "conv2d", "conv1d", "conv_transpose2d"});
}

bool LintSubject::is_weighted(std::size_t layer) const {
  return is_linear(layer) || among<6>(layers[layer].layer->type(),
                                      {"rnn", "lstm", "gru", "multi_head_attention",
                                       "transformer_encoder_block", "transformer_decoder_block"});
}

bool LintSubject::is_norm(std::size_t layer) const {
  return among<5>(layers[layer].layer->type(),
                  {"batch_norm", "layer_norm", "rms_norm", "group_norm", "instance_norm"});
}

bool LintSubject::is_output(std::size_t layer) const {
  return std::ranges::any_of(model.losses(),
                             [&](const auto& on) { return on.output == layers[layer].name; });
}

LintSubject::After LintSubject::after(std::size_t layer) const {
  After result;
  if (is_linear(layer)) result.activation = text(layer, "activation");
  while (result.activation.empty() && consumers_[layer].size() == 1) {
    layer = consumers_[layer][0];
    if (is(layer, "activation")) {
      result.activation = text(layer, "function");
      // Defaults are left out of what a layer says of itself.
      if (result.activation.empty()) result.activation = "relu";
    } else if (is_norm(layer)) {
      result.normalised = true;
    } else if (!is(layer, "dropout")) {
      break;
    }
  }
  return result;
}
