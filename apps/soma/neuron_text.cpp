// What soma inspect --neuron says of a neuron, for people and for programs.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "files.hpp"
#include "neuron_study.hpp"
#include "report.hpp"

using nlohmann::ordered_json;

namespace {

std::string signed_number(double value) { return (value < 0 ? "" : "+") + brief_number(value); }

/// The places of the largest magnitudes, largest first.
std::vector<std::size_t> leading(const std::vector<double>& magnitude, std::size_t count) {
  std::vector<std::size_t> order(magnitude.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return magnitude[i]; });
  order.resize(std::min(order.size(), count));
  return order;
}

void line(const std::string& name, const std::string& text) {
  std::printf("%-10s %s\n", name.c_str(), text.c_str());
}

std::string influence_line(const std::vector<double>& magnitude,
                           const std::vector<double>& effect) {
  std::string text;
  for (const std::size_t i : leading(magnitude, 5)) {
    if (magnitude[i] == 0) break;
    text += (text.empty() ? "" : ", ") + std::to_string(i) + " " + signed_number(effect[i]);
  }
  return text.empty() ? "none" : text;
}

ordered_json field_json(const soma::ReceptiveField& field) {
  return {{"input", field.input},
          {"begin", field.begin},
          {"end", field.end},
          {"elements", field.count()}};
}

ordered_json weights_json(const std::vector<soma::NeuronWeights>& list) {
  ordered_json out = ordered_json::array();
  for (const soma::NeuronWeights& w : list) {
    double squares = 0;
    float most = 0;
    for (const float v : w.values) {
      squares += double{v} * v;
      most = std::max(most, std::abs(v));
    }
    out.push_back(
        {{"parameter", w.parameter},
         {"layer", w.layer},
         {"shape", std::vector<std::int64_t>(w.shape.dims().begin(), w.shape.dims().end())},
         {"norm", std::sqrt(squares)},
         {"largest", most}});
  }
  return out;
}

ordered_json influence_json(const std::string& layer, const std::vector<double>& magnitude,
                            const std::vector<double>& effect) {
  ordered_json units = ordered_json::array();
  for (const std::size_t i : leading(magnitude, magnitude.size())) {
    units.push_back({{"unit", i}, {"magnitude", magnitude[i]}, {"effect", effect[i]}});
  }
  return {{"layer", layer}, {"units", units}};
}

ordered_json number_or_null(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json();
}

}  // namespace

int look_at_neuron(const LookRequest& request) {
  const Subject subject(request);
  const NeuronStudy study = study_neuron(subject, request);
  if (!request.html.empty()) write_file(request.html, study_html(subject, study));
  if (request.json) {
    std::cout << study_json(subject, study).dump() << "\n";
    return 0;
  }
  print_study(subject, study);
  if (!request.html.empty()) std::cout << "page       " << request.html << "\n";
  return 0;
}

void print_study(const Subject& subject, const NeuronStudy& s) {
  const soma::NeuronView& neuron = s.neuron;
  const soma::Shape positions = neuron.positions();
  std::cout << neuron.name() << " of " << subject.model().name() << " on " << subject.spec << ", "
            << grouped(subject.data.size()) << " samples, backend " << subject.backend.name()
            << "\n";
  for (const soma::NeuronWeights& w : s.incoming) {
    const float most = *std::ranges::max_element(w.values, {}, [](float v) { return std::abs(v); });
    line("weighs",
         w.layer + " by " + w.parameter + " " + w.shape.str() + ", largest " + signed_number(most));
  }
  if (subject.model().layer(neuron.layer()).weighs()) line("bias", signed_number(s.bias));
  const std::string where = positions.rank() == 0 ? "" : " at its middle position";
  line("sees", box_text(s.field, subject.kind) + " of the input" + where + "; gradients reach " +
                   grouped(s.measured.field.count()) + " of " + grouped(s.field.count()) +
                   " numbers there");
  line("fires",
       percent(s.responses.firing) +
           (positions.rank() == 0 ? " of samples" : " of samples and positions") +
           (s.top.empty() ? "" : "; largest activation " + brief_number(s.top.front().activation)));
  if (s.selectivity && s.selectivity->preferred >= 0) {
    line("prefers", subject.class_name(s.selectivity->preferred) + ": selectivity " +
                        fixed_number(s.selectivity->index, 2) + ", AUC " +
                        fixed_number(s.selectivity->auc, 3) + "; " +
                        fixed_number(s.polysemanticity->effective_classes, 1) + " of " +
                        std::to_string(subject.classes.size()) +
                        " classes share its top samples (polysemanticity " +
                        fixed_number(s.polysemanticity->score, 2) + ")");
  }
  std::string top;
  for (std::size_t i = 0; i < std::min<std::size_t>(4, s.top.size()); ++i) {
    const Example& e = s.top[i];
    const std::string label = subject.class_of(e.sample);
    top += (i ? ", " : "") + ("#" + std::to_string(e.sample)) +
           (label.empty() ? "" : " (" + label + ")") + " " + brief_number(e.activation) +
           position_text(neuron, e.position);
  }
  line("answers to", top);
  if (s.maximised) {
    line("maximised", brief_number(s.maximised->before) + " -> " +
                          brief_number(s.maximised->after) + " in " +
                          std::to_string(s.maximised->path.size()) + " steps" +
                          (s.probability ? ": the net says " + percent(*s.probability) : ""));
  }
  if (s.attribution) {
    line("worth", "-w dL/dw and ablation of " + std::to_string(s.attribution->weights.size()) +
                      " weights agree with a rank correlation of " +
                      fixed_number(s.attribution->agreement, 3));
  }
  if (!s.from.magnitude.empty()) {
    line("listens to", s.from.layer + ": " + influence_line(s.from.magnitude, s.from.effect));
  }
  for (const soma::OutgoingInfluence& onto : s.onto) {
    line("moves", onto.layer + ": " + influence_line(onto.magnitude, onto.effect));
  }
}

ordered_json study_json(const Subject& subject, const NeuronStudy& s) {
  const soma::NeuronView& neuron = s.neuron;
  const soma::Shape extents = neuron.positions();
  ordered_json out = {
      {"file", subject.trained.file.string()},
      {"model", subject.model().name()},
      {"data", subject.spec},
      {"backend", subject.backend.name()},
      {"samples", subject.data.size()},
      {"neuron",
       {{"layer", neuron.layer()},
        {"index", neuron.index()},
        {"units", subject.model().layer(neuron.layer()).neurons()},
        {"positions", std::vector<std::int64_t>(extents.dims().begin(), extents.dims().end())}}},
      {"bias", s.bias},
      {"incoming", weights_json(s.incoming)},
      {"outgoing", weights_json(s.outgoing)},
      {"receptive_field",
       {{"theoretical", field_json(s.field)}, {"measured", field_json(s.measured.field)}}},
      {"firing", s.responses.firing},
      {"top", ordered_json::array()},
      {"selectivity", nullptr},
      {"polysemanticity", nullptr},
      {"maximised", nullptr},
      {"attribution", nullptr},
      {"listens_to", nullptr},
      {"moves", ordered_json::array()},
      {"seconds", s.seconds}};
  for (const Example& e : s.top) {
    ordered_json one = {{"sample", e.sample},
                        {"activation", e.activation},
                        {"position", e.position},
                        {"receptive_field", field_json(e.field)}};
    if (!subject.labels.empty()) one["class"] = subject.class_of(e.sample);
    out["top"].push_back(one);
  }
  if (s.selectivity && s.selectivity->preferred >= 0) {
    ordered_json means = ordered_json::array();
    for (const double mean : s.selectivity->means) means.push_back(number_or_null(mean));
    out["selectivity"] = {{"preferred", subject.class_name(s.selectivity->preferred)},
                          {"index", s.selectivity->index},
                          {"auc", s.selectivity->auc},
                          {"means", means}};
    out["polysemanticity"] = {{"effective_classes", s.polysemanticity->effective_classes},
                              {"score", s.polysemanticity->score},
                              {"shares", s.polysemanticity->shares}};
  }
  if (s.maximised) {
    out["maximised"] = {
        {"before", s.maximised->before},
        {"after", s.maximised->after},
        {"steps", s.maximised->path.size()},
        {"probability", s.probability ? ordered_json(*s.probability) : ordered_json()},
        {"input", s.maximised->input}};
  }
  if (s.attribution) {
    out["attribution"] = {
        {"loss", s.attribution->loss},       {"samples", s.attribution->samples},
        {"weights", s.attribution->weights}, {"attributed", s.attribution->attributed},
        {"ablated", s.attribution->ablated}, {"agreement", s.attribution->agreement}};
  }
  if (!s.from.magnitude.empty()) {
    out["listens_to"] = influence_json(s.from.layer, s.from.magnitude, s.from.effect);
  }
  for (const soma::OutgoingInfluence& onto : s.onto) {
    out["moves"].push_back(influence_json(onto.layer, onto.magnitude, onto.effect));
  }
  return out;
}
