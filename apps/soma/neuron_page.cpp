// The page of soma inspect --neuron.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "lab/plot.hpp"
#include "look_page.hpp"
#include "report.hpp"

namespace {

using Kind = Subject::Kind;

/// How large a picture's pixels are drawn, so that it is about `room` wide.
double scale_for(const Picture& picture, double room, double most) {
  return std::clamp(room / static_cast<double>(picture.width), 1.0, most);
}

/// Weights as pictures: a tile for each channel of [R,S,C] or each unit of [U,R,S].
std::string weights_picture(const soma::NeuronWeights& w, bool incoming,
                            const std::string& gate = "") {
  const float most = largest(w.values);
  const auto& s = w.shape;
  std::vector<Picture> tiles;
  const auto count = static_cast<std::size_t>(s.elements());
  std::string what;
  if (s.rank() == 3) {
    const std::int64_t rows = incoming ? s[0] : s[1], columns = incoming ? s[1] : s[2];
    const std::int64_t many = incoming ? s[2] : s[0], area = rows * columns;
    for (std::int64_t c = 0; c < many; ++c) {
      std::vector<float> tile;
      for (std::int64_t i = 0; i < area; ++i) {
        tile.push_back(w.values[static_cast<std::size_t>(incoming ? i * many + c : c * area + i)]);
      }
      tiles.push_back(signed_map(tile, rows, columns, most));
    }
    what = many == 1
               ? ""
               : std::to_string(many) + (incoming ? " channels" : " units") + ", row by row. ";
  } else if (s.rank() == 2) {  // a sequence: a row for each channel or unit
    std::vector<float> turned;
    for (std::int64_t c = 0; c < (incoming ? s[1] : s[0]); ++c) {
      for (std::int64_t t = 0; t < (incoming ? s[0] : s[1]); ++t) {
        turned.push_back(
            w.values[static_cast<std::size_t>(incoming ? t * s[1] + c : c * s[1] + t)]);
      }
    }
    tiles.push_back(signed_map(turned, incoming ? s[1] : s[0], incoming ? s[0] : s[1], most));
    what = incoming ? "A row for each channel. " : "A row for each unit. ";
  } else {
    for (std::size_t i = 0; i < count; ++i) {
      tiles.push_back(signed_map(std::span(w.values).subspan(i, 1), 1, 1, most));
    }
    what = std::to_string(count) + (incoming ? " inputs" : " units") + ", row by row. ";
  }
  const Picture whole =
      grid(tiles, grid_columns(std::ssize(tiles), tiles[0].height, tiles[0].width));
  const double room = tiles.size() == 1 ? 260 : 560;
  return figure((incoming ? "From " : "To ") + w.layer + ": " + w.parameter + gate + " " + s.str(),
                img(whole, scale_for(whole, room, 26), "Weights " + w.parameter),
                what + signed_key(most));
}

/// As bars, where they are few and have names.
std::string weights_bars(const Subject& subject, const soma::NeuronWeights& w) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < w.values.size(); ++i) names.push_back(subject.element_name(i));
  return named_bars(w.parameter + " " + w.shape.str(), "weight (orange excites, blue inhibits)",
                    names, {w.values.begin(), w.values.end()});
}

std::string weights_section(const Subject& subject, const NeuronStudy& s) {
  std::string html;
  for (const soma::NeuronWeights& w : s.incoming) {
    const bool named = subject.kind == Kind::record && w.shape.rank() == 1 &&
                       w.values.size() <= 40 && w.layer == subject.model().inputs()[0].name;
    // Several rows of one parameter are those of the gates, in its order.
    const auto same = std::ranges::count(s.incoming, w.parameter, &soma::NeuronWeights::parameter);
    const auto before = std::count_if(s.incoming.data(), &w, [&](const soma::NeuronWeights& other) {
      return other.parameter == w.parameter;
    });
    const std::string gate = same > 1 ? ", gate " + std::to_string(before + 1) : "";
    html += named ? weights_bars(subject, w) : weights_picture(w, true, gate);
  }
  std::string out;
  for (const soma::NeuronWeights& w : s.outgoing) out += weights_picture(w, false);
  if (html.empty() && out.empty()) return "";
  std::string about =
      "<p>Orange weights excite, blue ones inhibit; the stronger the colour, the "
      "larger the weight.";
  if (subject.model().layer(s.neuron.layer()).weighs()) {
    about += " The bias is " + brief_number(s.bias) + ".";
  }
  return about + "</p>\n<div class=\"side\">" + html + out + "</div>\n";
}

/// The mean slope of each place of the input, channels added up.
std::string sensitivity(const Subject& subject, const NeuronStudy& s) {
  const soma::ReceptiveField& field = s.field;
  const auto& slopes = s.measured.sensitivity;
  if (subject.kind == Kind::record || slopes.empty()) {
    std::vector<std::size_t> order(slopes.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return slopes[i]; });
    order.resize(std::min<std::size_t>(16, order.size()));
    std::vector<std::string> names;
    std::vector<double> values;
    for (const std::size_t i : order) {
      names.push_back(subject.element_name(i));
      values.push_back(slopes[i]);
    }
    return named_bars("Measured", "mean |d sum / d x|", names, values);
  }
  const bool text = subject.kind == Kind::text;
  const std::int64_t channels = text ? 1 : field.shape.back();
  std::vector<float> places;
  for (std::size_t i = 0; i < slopes.size(); i += static_cast<std::size_t>(channels)) {
    places.push_back(std::accumulate(slopes.begin() + static_cast<std::ptrdiff_t>(i),
                                     slopes.begin() + static_cast<std::ptrdiff_t>(i) + channels,
                                     0.0f));
  }
  if (subject.kind == Kind::image) {
    const Picture map = heat(places, field.shape[0], field.shape[1], largest(places));
    return figure("Measured",
                  outlined(img(map, scale_for(map, 260, 20), "Mean slope by pixel"), field),
                  "mean |d sum / d pixel| " + heat_key(brief_number(largest(places))));
  }
  lab::Points points;
  for (std::size_t i = 0; i < places.size(); ++i) {
    points.emplace_back(static_cast<double>(i), double{places[i]});
  }
  return lab::Plot("Measured", text ? "position in the text" : "step",
                   text ? "mean |change| when replaced" : "mean |d sum / d x|")
      .bars("", points)
      .svg();
}

std::string field_section(const Subject& subject, const NeuronStudy& s) {
  const std::string at = position_text(s.neuron, s.neuron.position());
  std::string html = "<p>" + (at.empty() ? "" : "At its middle position " + at + ", what ") +
                     (at.empty() ? "What" : "") + " can reach it spans " +
                     box_text(s.field, subject.kind) + " of " +
                     subject.model().input_shape().str() + ": " + grouped(s.field.count()) +
                     " numbers, by the windows, strides and padding before it. Over " +
                     grouped(std::min<std::int64_t>(200, subject.data.size())) +
                     " samples its slope was other than 0 at " + grouped(s.measured.field.count()) +
                     " of them.</p>\n<div class=\"side\">";
  if (!s.top.empty() && subject.kind != Kind::record) {
    const auto values = subject.sample(s.top[0].sample);
    html += figure("Computed", drawn_sample(subject, values, &s.field, 260, "Receptive field"),
                   "drawn on sample " + std::to_string(s.top[0].sample));
  }
  return html + sensitivity(subject, s) + "</div>\n";
}

std::string examples_section(const Subject& subject, const NeuronStudy& s) {
  std::string html =
      "<p>The samples with its largest activations" +
      std::string(s.neuron.positions().rank() > 0
                      ? ", and where in them: outlined is what reaches it at that position"
                      : "") +
      ".</p>\n<div class=\"row\">";
  for (const Example& e : s.top) {
    const auto values = subject.sample(e.sample);
    const std::string name = "Sample " + std::to_string(e.sample);
    std::string body = drawn_sample(subject, values, &e.field, 112, name);
    const std::string patch =
        drawn_patch(subject, values, e.field, 84, name + ", what the neuron sees");
    if (!patch.empty()) body = "<div class=\"pair\">" + body + patch + "</div>";
    const std::string label = subject.class_of(e.sample);
    html += "<figure class=\"shot\"><figcaption><b>" + brief_number(e.activation) + "</b>" +
            (label.empty() ? "" : " &middot; " + escape_html(label)) + "</figcaption>" + body +
            "<div class=\"note\">#" + std::to_string(e.sample) + " " +
            position_text(s.neuron, e.position) + "</div></figure>\n";
  }
  return html + "</div>\n";
}

/// How often which activation.
std::string histogram(const soma::NeuronResponses& r) {
  constexpr int kBins = 24;
  if (r.peaks.empty()) return "";
  const auto [least, most] = std::ranges::minmax(r.peaks);
  if (!(most > least)) return "";
  std::vector<double> count(kBins, 0.0);
  const double width = (double{most} - least) / kBins;
  for (const float v : r.peaks) {
    const auto bin =
        std::min<std::int64_t>(kBins - 1, static_cast<std::int64_t>((v - least) / width));
    ++count[static_cast<std::size_t>(bin)];
  }
  lab::Points points;
  for (int b = 0; b < kBins; ++b) {
    points.emplace_back(least + (b + 0.5) * width, count[static_cast<std::size_t>(b)]);
  }
  lab::Plot plot("Its largest activation in each sample", "activation", "samples");
  return plot.line("", points).svg();
}

std::string classes_section(const Subject& subject, const NeuronStudy& s) {
  const soma::ClassSelectivity& c = *s.selectivity;
  std::vector<std::size_t> order(c.means.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  if (order.size() > 20) {
    std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return c.means[i]; });
    order.resize(20);
  }
  std::vector<std::string> names;
  std::vector<double> means, shares;
  for (const std::size_t i : order) {
    names.push_back(subject.classes[i]);
    means.push_back(c.means[i]);
    shares.push_back(100 * s.polysemanticity->shares[i]);
  }
  return "<p>It prefers " + escape_html(subject.class_name(c.preferred)) + ": selectivity " +
         fixed_number(c.index, 2) +
         " (0: all classes alike, 1: one alone), and a sample of that class "
         "moves it more than one of another with a probability of " +
         fixed_number(c.auc, 3) + ". " + fixed_number(s.polysemanticity->effective_classes, 1) +
         " classes share its 100 largest activations: polysemanticity " +
         fixed_number(s.polysemanticity->score, 2) + ".</p>\n<div class=\"side\">" +
         named_bars("Mean of its largest activation, by class", "activation", names, means) +
         named_bars("Who shares its 100 largest activations", "% of their sum", names, shares) +
         histogram(s.responses) +
         "</div><details><summary>Formulas</summary><p>Selectivity = (largest class mean &minus; "
         "mean "
         "of the others) / (largest + mean of the others), of activations above their least one if "
         "that is negative: Morcos et al., arXiv:1803.06959. The probability is the area under the "
         "ROC curve (Mann &amp; Whitney, 1947). Polysemanticity = (exp(H) &minus; 1) / (classes "
         "&minus; 1) with H the entropy of the shares (Hill, 1973).</p></details>\n";
}

std::string maximised_section(const Subject& subject, const NeuronStudy& s) {
  const soma::Maximised& m = *s.maximised;
  std::string html =
      "<p>Gradient ascent on the input, held back by decay and smoothing: " +
      std::string(s.probability ? "the logarithm of its class's probability" : "its sum") +
      " rose from " + brief_number(m.before) + " to " + brief_number(m.after) + " in " +
      std::to_string(m.path.size()) + " steps.";
  if (s.probability) html += " The network is " + percent(*s.probability) + " sure of the class.";
  html += " Among the samples the largest sum was " +
          brief_number(*std::ranges::max_element(s.responses.sums)) + ".</p>\n<div class=\"side\">";
  const std::string drawn =
      drawn_sample(subject, m.input, &s.field, 260, "The input it likes best");
  const std::string patch = drawn_patch(subject, m.input, s.field, 180, "Its receptive field");
  html += figure("The input it likes best",
                 patch.empty() ? drawn : "<div class=\"pair\">" + drawn + patch + "</div>");
  lab::Points path;
  for (std::size_t i = 0; i < m.path.size(); ++i)
    path.emplace_back(static_cast<double>(i), m.path[i]);
  path.emplace_back(static_cast<double>(m.path.size()), m.after);
  return html +
         lab::Plot("The way up", "step", s.probability ? "log probability" : "weighted sum")
             .line("", path)
             .svg() +
         "</div>\n";
}

std::string attribution_section(const NeuronStudy& s) {
  const soma::WeightAttribution& a = *s.attribution;
  lab::Points points;
  double low = 0, high = 0;
  for (std::size_t i = 0; i < a.weights.size(); ++i) {
    points.emplace_back(a.attributed[i], a.ablated[i]);
    low = std::min({low, a.attributed[i]});
    high = std::max({high, a.attributed[i]});
  }
  return "<p>For each of " + std::to_string(a.weights.size()) +
         " weights, what setting it to 0 does to the loss (" + brief_number(a.loss) + " over " +
         std::to_string(a.samples) +
         " samples): as the slope foretells, and as it is when tried. Both put them in nearly the "
         "same order if the rank correlation is near 1; it is " +
         fixed_number(a.agreement, 3) + ".</p>\n" +
         lab::Plot("Weights: foretold and tried", "foretold: -w dL/dw", "tried: L(w = 0) - L")
             .dots("a weight", points)
             .line("both alike", {{low, low}, {high, high}})
             .svg();
}

std::string influence_bars(const std::string& title, const std::string& axis,
                           const std::vector<double>& magnitude, const std::vector<double>& effect,
                           const std::vector<std::string>& names) {
  std::vector<std::size_t> order(magnitude.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return magnitude[i]; });
  order.resize(std::min<std::size_t>(12, order.size()));
  std::vector<std::string> shown;
  std::vector<double> values;
  for (const std::size_t i : order) {
    shown.push_back(i < names.size() ? names[i] : "unit " + std::to_string(i));
    values.push_back(effect[i]);
  }
  return named_bars(title, axis, shown, values);
}

std::string influence_section(const Subject& subject, const NeuronStudy& s) {
  std::string html =
      "<p>Over " + grouped(s.influence_samples) +
      " samples. What comes in: how far each channel before it moves its sum at its "
      "peak. What goes out: how far the sums behind it move when it speaks instead of "
      "being silent. The twelve with the largest magnitude; orange raises, blue "
      "lowers.</p>\n<div class=\"side\">";
  std::vector<std::string> names;
  if (s.from.layer == subject.model().inputs()[0].name && subject.kind == Kind::record) {
    for (std::size_t i = 0; i < s.from.magnitude.size(); ++i)
      names.push_back(subject.element_name(i));
  }
  if (!s.from.magnitude.empty()) {
    html += influence_bars("Listens to " + s.from.layer, "mean change of its sum", s.from.magnitude,
                           s.from.effect, names);
  }
  for (const soma::OutgoingInfluence& onto : s.onto) {
    const bool classes = gives_classes(subject.model(), onto.layer);
    html += influence_bars("Moves " + onto.layer, "mean change of the sum", onto.magnitude,
                           onto.effect, classes ? subject.classes : std::vector<std::string>());
  }
  return html + "</div>\n";
}

}  // namespace

std::string study_html(const Subject& subject, const NeuronStudy& s) {
  LookPage page;
  page.title = "Neuron " + s.neuron.name();
  const soma::Model::LayerView* layer = nullptr;
  const auto layers = subject.model().layers();
  for (const auto& view : layers) layer = view.name == s.neuron.layer() ? &view : layer;
  page.lead = "Unit " + std::to_string(s.neuron.index()) + " of " +
              std::to_string(subject.model().layer(s.neuron.layer()).neurons()) + " in layer " +
              escape_html(s.neuron.layer()) + " (" + std::string(layer->layer->type()) + ") of " +
              escape_html(subject.model().name()) + ", looked at over " +
              grouped(subject.data.size()) + " samples of " + escape_html(subject.spec) + ".";
  std::size_t weights = 0;
  for (const auto& w : s.incoming) weights += w.values.size();
  if (weights > 0) page.tiles.emplace_back(grouped(static_cast<std::int64_t>(weights)), "weights");
  page.tiles.emplace_back(box_text(s.field, subject.kind), "receptive field");
  page.tiles.emplace_back(percent(s.responses.firing), s.neuron.positions().rank() > 0
                                                           ? "of positions fire"
                                                           : "of samples fire it");
  if (!s.top.empty())
    page.tiles.emplace_back(brief_number(s.top[0].activation), "largest activation");
  if (s.selectivity && s.selectivity->preferred >= 0) {
    page.tiles.emplace_back(subject.class_name(s.selectivity->preferred), "preferred class");
    page.tiles.emplace_back(fixed_number(s.selectivity->index, 2), "selectivity");
    page.tiles.emplace_back(fixed_number(s.polysemanticity->score, 2), "polysemanticity");
  }
  if (s.probability)
    page.tiles.emplace_back(percent(*s.probability), "sure of the maximised input");
  if (s.attribution)
    page.tiles.emplace_back(fixed_number(s.attribution->agreement, 2), "attribution ~ ablation");
  const auto add = [&](const char* title, const std::string& body) {
    if (!body.empty()) page.sections.push_back({title, body});
  };
  if (!s.top.empty()) add("What it answers to", examples_section(subject, s));
  if (s.maximised) add("What it likes best", maximised_section(subject, s));
  if (s.selectivity && s.selectivity->preferred >= 0) add("Classes", classes_section(subject, s));
  add("What it weighs", weights_section(subject, s));
  add("What it sees", field_section(subject, s));
  add("Listens and moves", influence_section(subject, s));
  if (s.attribution) add("What a weight is worth", attribution_section(s));
  return page.html();
}
