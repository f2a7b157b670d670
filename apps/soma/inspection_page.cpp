// The clinic's page: alarms, layers side by side, every neuron, and the weights over time.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "html_page.hpp"
#include "inspection.hpp"
#include "lab/plot.hpp"
#include "report.hpp"
#include "soma/version.hpp"

using soma::LayerExamination;
using soma::UnitExamination;

namespace {

constexpr const char* kStyle = R"(
:root{--ok:#14663f;--bad:#a3231b;--bad-bg:#fdeceb;--fine:#2a8a57;--dead:#c2332b;--rare:#d98a1f;--flat:#8b46b5;--twin:#2563c9}
@media(prefers-color-scheme:dark){:root{--ok:#7fd6a8;--bad:#ff9a92;--bad-bg:#3a2122;--fine:#6fd19b;--dead:#ff7a70;--rare:#eab04d;--flat:#c792ea;--twin:#6ea8ff}}
h3{font-size:15px;margin:0;display:inline}
.tile.bad b{color:var(--bad)}.tile.ok b{color:var(--ok)}
.alarm{border-left:4px solid var(--bad);background:var(--bad-bg);border-radius:6px;padding:10px 14px;margin:10px 0}
.alarm p{color:var(--text);margin:3px 0}.alarm b{color:var(--bad)}.alarm ul{margin:4px 0;padding-left:20px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:14px 22px;align-items:start}
figure{max-width:620px}figcaption{font-size:14px}svg{width:100%;height:auto;display:block}
.scroll{overflow-x:auto}
tr.ill td{background:var(--bad-bg)}
details{border-top:1px solid var(--line);padding:10px 0}summary{border-radius:4px}summary span{color:var(--soft);margin-left:10px}
.units{display:flex;flex-wrap:wrap;gap:2px;margin:10px 0}
.u{width:14px;height:14px;border-radius:3px;background:var(--fine)}.u.dead,.k.dead:before{background:var(--dead)}
.u.rare,.k.rare:before{background:var(--rare)}.u.flat,.k.flat:before{background:var(--flat)}.u.twin,.k.twin:before{background:var(--twin)}
.k{font-size:13px;color:var(--soft);margin-right:12px;white-space:nowrap}
.k:before{content:"";display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:5px;background:var(--fine)}
)";

std::string tile(const std::string& value, const std::string& label, const char* kind = "") {
  return "<div class=\"tile " + std::string(kind) + "\"><b>" + escape_html(value) + "</b><span>" +
         escape_html(label) + "</span></div>\n";
}

std::string cell(const std::string& text) { return "<td class=\"n\">" + text + "</td>"; }
std::string cell(std::int64_t count) { return cell(count == 0 ? "" : grouped(count)); }
std::string cell(const std::optional<double>& value) {
  return cell(value ? brief_number(*value) : "");
}

/// Those that alarms can be about.
std::vector<const LayerExamination*> judged(const soma::Examination& examination) {
  std::vector<const LayerExamination*> list;
  for (const LayerExamination& layer : examination.layers) {
    if (layer.is_judged) list.push_back(&layer);
  }
  return list;
}

std::string alarms_section(const Inspection& f) {
  std::string html = "<section tabindex=\"0\" aria-label=\"Alarms\"><h2>Alarms</h2>";
  if (f.examination.alarms.empty()) {
    return html + "<p>None: no layer is beyond a threshold.</p></section>\n";
  }
  for (const soma::Alarm& a : f.examination.alarms) {
    html += "<div class=\"alarm\"><b>" + std::string(name_of(a.kind)) + "</b> in <code>" +
            escape_html(a.layer) + "</code><p>" + escape_html(a.finding) +
            ".</p><p>Cause: " + escape_html(a.cause) + ".</p><p>Cures:</p><ul>";
    for (const soma::Cure& cure : a.cures) {
      html += "<li><code>" + cure.name + "</code> " + escape_html(cure.what) + "</li>";
    }
    html += "</ul>";
    if (f.has_run) {
      html += "<p><code>soma inspect " + escape_html(f.source) + " --apply " + a.cures[0].name +
              "</code></p>";
    }
    html += "</div>\n";
  }
  return html + "</section>\n";
}

std::string layers_section(const Inspection& f) {
  std::string html =
      "<section tabindex=\"0\" aria-label=\"Layers\"><h2>Layers</h2><p>Units of each layer over "
      "all " +
      grouped(f.examination.samples) + " samples, and gradients of " +
      std::to_string(f.examination.gradient_batches) +
      " batches.</p><div class=\"scroll\"><table><tr><th>layer</th><th>activation</th>";
  for (const char* title :
       {"units", "dead", "rare", "saturated", "duplicates", "zeros", "output dev.", "weights dev.",
        "gradient", "&divide; next", "cosine", "update / weight"}) {
    html += "<th class=\"n\">" + std::string(title) + "</th>";
  }
  html += "</tr>\n";
  for (const LayerExamination* l : judged(f.examination)) {
    const bool ill = std::ranges::count(f.examination.alarms, l->name, &soma::Alarm::layer) > 0;
    std::optional<double> output, next, cosine, weights;
    if (l->gradient)
      output = l->gradient->output, next = l->gradient->to_next, cosine = l->gradient->cosine;
    if (l->weights) weights = l->weights->deviation;
    html += "<tr" + std::string(ill ? " class=\"ill\"" : "") + "><td>" + escape_html(l->name) +
            "</td><td>" + escape_html(l->activation) + "</td>" + cell(std::ssize(l->units)) +
            cell(l->dead) + cell(l->rare) + cell(l->saturated) + cell(l->duplicates) +
            cell(fixed_number(100 * l->zeros, 1) + " %") + cell(std::optional(l->deviation)) +
            cell(weights) + cell(output) + cell(next) + cell(cosine) + cell(l->update) + "</tr>\n";
  }
  return html + "</table></div></section>\n";
}

/// Charts with the layers side by side.
std::string flow_section(const Inspection& f) {
  std::vector<std::string> names;
  lab::Points gradients, updates, firing, spread;
  double last = 0;
  for (const LayerExamination* l : judged(f.examination)) {
    names.push_back(l->name);
    const auto x = static_cast<double>(names.size());
    if (l->gradient && l->gradient->output.value_or(0) > 0) {
      gradients.emplace_back(x, last = *l->gradient->output);
    }
    if (l->update && *l->update > 0) updates.emplace_back(x, *l->update);
    firing.emplace_back(x, 100 * (1 - l->zeros));
    spread.emplace_back(x, l->deviation);
  }
  for (auto& point : gradients) point.second /= last;
  const soma::AlarmLimits limits;
  std::string html;
  const auto plot = [&](const char* title, const char* unit) {
    lab::Plot p(title, "layer, from input to output", unit);
    p.names_x(names);
    return p;
  };
  if (gradients.size() > 1) {
    html += plot("Gradient on its way back", "norm, by that of the last layer")
                .log_y()
                .bars("", gradients)
                .mark("vanishing", limits.vanishing)
                .mark("exploding", limits.exploding)
                .svg();
  }
  if (!updates.empty()) {
    html += plot("What one update changes", "norm, by that of the weights")
                .log_y()
                .bars("", updates)
                .mark("too much", limits.update)
                .mark("usual", 1e-3)
                .svg();
  }
  html +=
      plot("Responses that are not zero", "% of responses").range_y(0, 100).bars("", firing).svg();
  html += plot("Spread of the responses", "standard deviation").bars("", spread).svg();
  return "<section tabindex=\"0\" aria-label=\"From input to output\"><h2>From input to "
         "output</h2><div class=\"charts\">" +
         html + "</div></section>\n";
}

std::string state_of(const UnitExamination& u) {
  return u.is_dead        ? "dead"
         : u.is_saturated ? "flat"
         : u.twin >= 0    ? "twin"
         : u.is_rare      ? "rare"
                          : "";
}

std::string tip_of(const Inspection& f, const LayerExamination& l, std::size_t index) {
  const UnitExamination& u = l.units[index];
  std::string text = l.name + ":" + std::to_string(index) + ", mean " + brief_number(u.mean) +
                     ", deviation " + brief_number(u.deviation) + ", fires " +
                     fixed_number(100 * u.firing, 1) + " %";
  if (u.is_dead) text += ", dead";
  if (u.is_rare) text += ", rarely fires";
  if (u.is_saturated) text += ", saturated " + fixed_number(100 * u.saturated, 1) + " %";
  if (u.twin >= 0) {
    text += ", same " + std::string(u.twin_by_weights ? "weights" : "responses") + " as " +
            std::to_string(u.twin);
  }
  const auto preferred = static_cast<std::size_t>(u.preferred);
  if (u.preferred >= 0 && !u.is_dead && preferred < f.class_names.size()) {
    text += ", prefers " + f.class_names[preferred] + " (" + fixed_number(u.selectivity, 2) + ")";
  }
  return text;
}

/// A square for each unit, as strong as it fires.
std::string unit_squares(const Inspection& f, const LayerExamination& l) {
  std::string html =
      "<div class=\"units\" role=\"img\" aria-label=\"Units of " + escape_html(l.name) + "\">";
  for (std::size_t u = 0; u < l.units.size(); ++u) {
    const std::string state = state_of(l.units[u]);
    const std::string faint =
        state.empty()
            ? " style=\"opacity:" + fixed_number(0.25 + 0.75 * std::sqrt(l.units[u].firing), 2) +
                  "\""
            : "";
    html += "<i class=\"u" + (state.empty() ? "" : " " + state) + "\"" + faint + " title=\"" +
            escape_html(tip_of(f, l, u)) + "\"></i>";
  }
  return html + "</div>\n";
}

std::string histogram(const char* title, const char* axis, const char* unit, double low,
                      double high, const std::vector<double>& counts) {
  lab::Points points;
  const double width = (high - low) / static_cast<double>(counts.size());
  if (!(width > 0)) return "";
  points.emplace_back(low, 0.0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    points.emplace_back(low + static_cast<double>(i) * width, counts[i]);
    points.emplace_back(low + static_cast<double>(i + 1) * width, counts[i]);
  }
  points.emplace_back(high, 0.0);
  return lab::Plot(title, axis, unit).line("", points).svg();
}

/// How the units' numbers of one kind are spread over [0, 1].
std::vector<double> spread_of(const std::vector<double>& shares) {
  std::vector<double> counts(20);
  for (const double s : shares) {
    ++counts[static_cast<std::size_t>(std::clamp(s, 0.0, 0.9999) * 20)];
  }
  return counts;
}

std::string layer_details(const Inspection& f, const LayerExamination& l, bool open) {
  std::string html = "<details" + std::string(open ? " open" : "") + "><summary><h3>" +
                     escape_html(l.name) + "</h3><span>" + escape_html(l.type) +
                     (l.activation.empty() ? "" : ", " + escape_html(l.activation)) + ", " +
                     std::to_string(l.units.size()) + " units, " + std::to_string(l.dead) +
                     " dead, " + std::to_string(l.rare) + " rare, " + std::to_string(l.saturated) +
                     " saturated, " + std::to_string(l.duplicates) +
                     " duplicates</span></summary>" + unit_squares(f, l) + "<div class=\"charts\">";
  if (l.weights) {
    const soma::WeightExamination& w = *l.weights;
    html += histogram("Weights", "weight", "count", w.minimum, w.maximum,
                      {w.histogram.begin(), w.histogram.end()});
  }
  std::vector<double> firing, selectivity;
  std::map<std::int64_t, double> preferred;
  for (const UnitExamination& u : l.units) {
    firing.push_back(u.firing);
    if (u.preferred < 0 || u.is_dead) continue;
    selectivity.push_back(std::fabs(u.selectivity));
    ++preferred[u.preferred];
  }
  if (!soma::bounds_of(l.activation) && !l.activation.empty()) {
    html +=
        histogram("How often units fire", "share of responses", "units", 0, 1, spread_of(firing));
  }
  if (!selectivity.empty()) {
    html += histogram("Selectivity", "0: all classes alike, 1: one alone", "units", 0, 1,
                      spread_of(selectivity));
    lab::Points points;
    for (const auto& [c, count] : preferred) points.emplace_back(static_cast<double>(c + 1), count);
    lab::Plot plot("Preferred classes", "class", "units");
    plot.names_x(f.class_names).range_x(0.4, static_cast<double>(f.class_names.size()) + 0.6);
    html += plot.bars("", points).svg();
  }
  return html + "</div></details>\n";
}

std::string units_section(const Inspection& f) {
  std::string html =
      "<section tabindex=\"0\" aria-label=\"Neurons\"><h2>Neurons</h2><p><span class=\"k\">fires, "
      "the stronger the more often</span><span class=\"k dead\">dead</span><span class=\"k "
      "rare\">rarely fires</span><span class=\"k flat\">saturated</span><span class=\"k "
      "twin\">duplicate</span></p>";
  bool open = true;
  for (const LayerExamination* l : judged(f.examination)) {
    if (l->units.empty()) continue;
    const bool ill = std::ranges::count(f.examination.alarms, l->name, &soma::Alarm::layer) > 0;
    html += layer_details(f, *l, open || ill);
    open = false;
  }
  return html + "</section>\n";
}

/// The weights' spread over the epochs that health.csv has, and what the checkpoints moved.
std::string time_section(const Inspection& f) {
  std::map<std::string, lab::Points> spread, moved;
  std::vector<std::string> order;
  for (const HealthLog::Epoch& epoch : f.epochs) {
    for (const LayerHealth& layer : epoch.layers) {
      if (!layer.weights) continue;
      if (!spread.contains(layer.layer)) order.push_back(layer.layer);
      spread[layer.layer].emplace_back(static_cast<double>(epoch.step), layer.weights->deviation);
    }
  }
  for (const WeightMoment& m : f.moments) {
    for (const auto& layer : m.layers) {
      moved[layer.weights.layer].emplace_back(static_cast<double>(m.step), layer.moved);
    }
  }
  // Eight colours: of more layers some, from first to last.
  const std::size_t every = (order.size() + 7) / 8;
  lab::Plot deviations("Spread of the weights", "updates", "standard deviation");
  lab::Plot distances("How far the weights have moved", "updates",
                      "by the norm of the first weights");
  std::size_t lines = 0;
  for (std::size_t i = 0; i < order.size(); i += every) {
    for (auto& [plot, points] : {std::pair(&deviations, &spread), std::pair(&distances, &moved)}) {
      plot->line(order[i], (*points)[order[i]]);
    }
    ++lines;
  }
  if (lines == 0 || f.moments.size() < 2) return "";
  std::string html =
      "<section tabindex=\"0\" aria-label=\"Over time\"><h2>Over time</h2><div class=\"charts\">";
  if (f.epochs.size() > 1) html += deviations.svg();
  return html + distances.svg() + "</div></section>\n";
}

}  // namespace

std::string inspection_html(const Inspection& f) {
  const soma::Examination& e = f.examination;
  const std::string title = f.model + " on " + f.data + ", examined";
  std::int64_t units = 0, dead = 0;
  for (const LayerExamination* l : judged(e)) units += std::ssize(l->units), dead += l->dead;
  std::string html =
      page_start("Soma: " + title, kStyle + lab::figure_style()) + "<h1>" + escape_html(title) +
      "</h1>\n<p><code>" + escape_html(f.source) + "</code>; backend " + escape_html(f.backend) +
      ", numerics " + name_of(f.numerics) + "; updates of " + escape_html(f.optimizer) + " at " +
      brief_number(f.learning_rate) + "</p>\n<div class=\"tiles\">\n" +
      tile(std::to_string(e.alarms.size()), e.alarms.size() == 1 ? "alarm" : "alarms",
           e.alarms.empty() ? "ok" : "bad");
  if (!f.evaluation.confusion.empty())
    html += tile(percent(f.evaluation.accuracy), f.part + " accuracy");
  html += tile(fixed_number(f.evaluation.loss, 4), f.part + " loss") +
          tile(grouped(e.samples), "samples") + tile(grouped(units), "neurons") +
          tile(grouped(dead), "dead neurons");
  return html + "</div>\n" + alarms_section(f) + layers_section(f) + flow_section(f) +
         units_section(f) + time_section(f) + "<p>Soma " + soma::version() +
         ". What the words and thresholds mean: framework/docs/clinic.md.</p>" + page_end();
}
