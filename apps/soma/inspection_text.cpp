// What soma inspect prints, for people and for programs.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "figures.hpp"
#include "inspection.hpp"
#include "report.hpp"
#include "table.hpp"

using nlohmann::ordered_json;
using soma::LayerExamination;

namespace {

ordered_json maybe(const std::optional<double>& value) {
  return value ? ordered_json(*value) : ordered_json();
}

ordered_json weights_json(const soma::WeightExamination& w) {
  return {{"count", w.count}, {"mean", w.mean},          {"deviation", w.deviation},
          {"norm", w.norm},   {"minimum", w.minimum},    {"maximum", w.maximum},
          {"zeros", w.zeros}, {"histogram", w.histogram}};
}

ordered_json unit_json(const soma::UnitExamination& u, std::size_t index) {
  ordered_json out = {{"index", index},
                      {"mean", u.mean},
                      {"deviation", u.deviation},
                      {"minimum", u.minimum},
                      {"maximum", u.maximum},
                      {"firing", u.firing},
                      {"firing_samples", u.firing_samples},
                      {"saturation", u.saturated},
                      {"dead", u.is_dead},
                      {"rare", u.is_rare},
                      {"saturated", u.is_saturated},
                      {"twin", nullptr},
                      {"preferred_class", nullptr},
                      {"selectivity", nullptr}};
  if (u.twin >= 0) out["twin"] = u.twin;
  if (u.preferred >= 0) {
    out["preferred_class"] = u.preferred;
    out["selectivity"] = u.selectivity;
  }
  return out;
}

ordered_json layer_json(const LayerExamination& l) {
  ordered_json out = {{"name", l.name},
                      {"type", l.type},
                      {"activation", l.activation},
                      {"output", l.is_output},
                      {"judged", l.is_judged},
                      {"units", l.units.size()},
                      {"dead", l.dead},
                      {"rare", l.rare},
                      {"saturated", l.saturated},
                      {"duplicates", l.duplicates},
                      {"mean", l.mean},
                      {"deviation", l.deviation},
                      {"zeros", l.zeros},
                      {"not_finite", l.not_finite},
                      {"weights", nullptr},
                      {"gradient", nullptr},
                      {"update_ratio", maybe(l.update)}};
  if (l.weights) out["weights"] = weights_json(*l.weights);
  if (l.gradient) {
    out["gradient"] = {{"output", maybe(l.gradient->output)},
                       {"weights", l.gradient->weights},
                       {"deviation", l.gradient->deviation},
                       {"to_next", maybe(l.gradient->to_next)},
                       {"cosine", maybe(l.gradient->cosine)}};
  }
  auto units = ordered_json::array();
  for (std::size_t u = 0; u < l.units.size(); ++u) units.push_back(unit_json(l.units[u], u));
  out["neurons"] = std::move(units);
  return out;
}

ordered_json alarm_json(const soma::Alarm& a) {
  auto cures = ordered_json::array();
  for (const soma::Cure& cure : a.cures)
    cures.push_back({{"name", cure.name}, {"what", cure.what}});
  return {{"code", name_of(a.kind)}, {"layer", a.layer},
          {"measured", a.measured},  {"threshold", a.threshold},
          {"finding", a.finding},    {"cause", a.cause},
          {"cures", cures}};
}

std::string count_cell(std::int64_t count) { return count == 0 ? "-" : std::to_string(count); }

std::string number_cell(const std::optional<double>& value) {
  return value ? brief_number(*value) : "";
}

/// The mean selectivity of a layer's living units; nothing without classes.
std::optional<double> mean_selectivity(const LayerExamination& layer) {
  double sum = 0, count = 0;
  for (const soma::UnitExamination& u : layer.units) {
    if (u.preferred < 0 || u.is_dead) continue;
    sum += u.selectivity;
    ++count;
  }
  return count > 0 ? std::optional(sum / count) : std::nullopt;
}

void print_layers(std::ostream& out, const soma::Examination& examination) {
  using Align = Table::Align;
  Table table({{"layer"},
               {"", Align::left},
               {"units", Align::right},
               {"dead", Align::right},
               {"rare", Align::right},
               {"flat", Align::right},
               {"twins", Align::right},
               {"zeros", Align::right},
               {"select.", Align::right},
               {"weights dev.", Align::right},
               {"gradient", Align::right},
               {"to next", Align::right},
               {"cosine", Align::right},
               {"update", Align::right}});
  for (const LayerExamination& l : examination.layers) {
    if (!l.is_judged) continue;
    const bool has = l.gradient.has_value();
    table.add({l.name, l.activation, std::to_string(l.units.size()), count_cell(l.dead),
               count_cell(l.rare), count_cell(l.saturated), count_cell(l.duplicates),
               fixed_number(100 * l.zeros, 0) + " %", number_cell(mean_selectivity(l)),
               l.weights ? brief_number(l.weights->deviation) : "",
               has ? number_cell(l.gradient->output) : "",
               has ? number_cell(l.gradient->to_next) : "",
               has ? number_cell(l.gradient->cosine) : "", number_cell(l.update)});
  }
  table.print(out);
}

}  // namespace

ordered_json inspection_json(const Inspection& f) {
  const soma::Examination& e = f.examination;
  ordered_json out = {{"file", f.source},
                      {"model", f.model},
                      {"data", f.data},
                      {"backend", f.backend},
                      {"numerics", name_of(f.numerics)},
                      {"threads", f.threads},
                      {"samples", e.samples},
                      {"classes", f.class_names},
                      {"test_loss", f.evaluation.loss},
                      {"test_accuracy", nullptr},
                      {"optimizer", f.optimizer},
                      {"learning_rate", f.learning_rate},
                      {"gradient_batches", e.gradient_batches}};
  if (!f.evaluation.confusion.empty()) out["test_accuracy"] = f.evaluation.accuracy;
  auto layers = ordered_json::array();
  for (const LayerExamination& l : e.layers) layers.push_back(layer_json(l));
  out["layers"] = std::move(layers);
  auto alarms = ordered_json::array();
  for (const soma::Alarm& a : e.alarms) alarms.push_back(alarm_json(a));
  out["alarms"] = std::move(alarms);
  auto moments = ordered_json::array();
  for (const WeightMoment& m : f.moments) {
    auto list = ordered_json::array();
    for (const auto& layer : m.layers) {
      ordered_json entry = weights_json(layer.weights.weights);
      entry.erase("histogram");
      entry["layer"] = layer.weights.layer;
      entry["moved"] = layer.moved;
      list.push_back(std::move(entry));
    }
    moments.push_back({{"at", m.name}, {"step", m.step}, {"layers", std::move(list)}});
  }
  out["weights_over_time"] = std::move(moments);
  out["seconds"] = f.seconds;
  return out;
}

void print_inspection(std::ostream& out, const Inspection& f) {
  const soma::Examination& e = f.examination;
  out << f.model << " on " << f.data << ", " << grouped(e.samples) << " samples: " << f.part
      << " loss " << fixed_number(f.evaluation.loss, 4);
  if (!f.evaluation.confusion.empty()) out << ", accuracy " << percent(f.evaluation.accuracy);
  out << "\n\n";
  print_layers(out, e);
  out << "\ndead: never fires; rare: for less than 1 % of the samples; flat: at the ends of its "
         "activation;\ntwins: says what an earlier unit says; gradient: norm at the layer's "
         "output, "
         "to next: by that of the next layer;\ncosine: between batches; update: of one step by the "
         "weights ("
      << f.optimizer << " " << brief_number(f.learning_rate)
      << (f.has_optimizer ? ", as the run left it" : ", from its start") << ")\n";
  for (const soma::Alarm& a : e.alarms) {
    out << "\nALARM " << name_of(a.kind) << " (" << a.layer << "): " << a.finding
        << "\n    cause: " << a.cause << "\n";
    for (std::size_t i = 0; i < a.cures.size(); ++i) {
      const soma::Cure& cure = a.cures[i];
      out << (i == 0 ? "    cures: " : "           ") << cure.name << ": " << cure.what << "\n";
    }
  }
  if (e.alarms.empty()) {
    out << "\nno alarm\n";
  } else if (f.has_run) {
    out << "\ncarry a cure out as a new run: soma inspect " << f.source << " --apply "
        << e.alarms[0].cures[0].name << "\n";
  }
}
