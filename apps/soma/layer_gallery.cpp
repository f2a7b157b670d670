// soma inspect --gallery: from edges to parts, what the units of each layer respond to by depth.
#include <algorithm>
#include <functional>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "files.hpp"
#include "look_page.hpp"
#include "report.hpp"

using nlohmann::ordered_json;

namespace {

constexpr std::int64_t kUnits = 10, kExamples = 3, kSamples = 2000;

/// One unit of a layer.
struct Exhibit {
  std::int64_t unit = 0;
  double mean_peak = 0;
  std::vector<Example> top;
  soma::Maximised maximised;
  soma::ReceptiveField field;  ///< at the middle
};

struct Room {
  std::string layer, type;
  soma::Shape shape;
  std::vector<Exhibit> exhibits;
};

/// The units that answer most strongly on average, with the samples that they answer to most.
std::vector<Exhibit> strongest(const Subject& subject, const soma::Model::LayerView& layer,
                               const LookRequest& request) {
  const soma::Dataset data = subject.data.head(kSamples);
  const std::int64_t batch = std::min(request.batch, data.size());
  soma::LayerProbe probe(subject.model(), layer.name, subject.backend,
                         {.batch = batch, .threads = request.threads, .layers = {}});
  const std::int64_t units = subject.model().layer(layer.name).neurons();
  const std::int64_t each = probe.shape().elements();
  std::vector<Exhibit> all(static_cast<std::size_t>(units));
  const auto size = static_cast<std::size_t>(data.sample_shape().elements());
  std::vector<float> inputs;
  std::vector<std::int64_t> rows;
  for (std::int64_t first = 0; first < data.size(); first += batch) {
    rows.resize(static_cast<std::size_t>(std::min(batch, data.size() - first)));
    std::iota(rows.begin(), rows.end(), first);
    inputs.resize(rows.size() * size);
    data.gather_inputs(rows, inputs.data());
    const soma::TensorView view = inputs;
    const auto values = probe.run({&view, 1}).outputs;
    for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
      for (std::int64_t u = 0; u < units; ++u) {
        const auto at = [&](std::int64_t p) {
          return static_cast<std::size_t>(i * each + p * units + u);
        };
        std::int64_t best = 0;
        for (std::int64_t p = 1; p < each / units; ++p) {
          if (values[at(p)] > values[at(best)]) best = p;
        }
        Exhibit& exhibit = all[static_cast<std::size_t>(u)];
        exhibit.unit = u;
        exhibit.mean_peak += values[at(best)] / static_cast<double>(data.size());
        exhibit.top.push_back({first + i, best, values[at(best)], {}});
        std::ranges::stable_sort(exhibit.top, std::greater<>(), &Example::activation);
        if (std::ssize(exhibit.top) > kExamples) exhibit.top.pop_back();
      }
    }
  }
  std::ranges::stable_sort(all, std::greater<>(), &Exhibit::mean_peak);
  all.resize(std::min<std::size_t>(all.size(), kUnits));
  std::ranges::sort(all, {}, &Exhibit::unit);
  return all;
}

Room room_of(const Subject& subject, const soma::Model::LayerView& layer,
             const LookRequest& request) {
  Room room{layer.name, std::string(layer.layer->type()), layer.output,
            strongest(subject, layer, request)};
  std::vector<std::int64_t> units;
  for (const Exhibit& e : room.exhibits) units.push_back(e.unit);
  const auto found = maximise(subject.model(), layer.name, units, subject.backend,
                              maximise_options(subject, layer.name, request));
  for (std::size_t i = 0; i < room.exhibits.size(); ++i) {
    Exhibit& e = room.exhibits[i];
    e.maximised = found[i];
    const soma::NeuronView neuron = subject.model().layer(layer.name).neuron(e.unit);
    e.field = neuron.receptive_field(neuron.position());
    for (Example& one : e.top) one.field = neuron.receptive_field(one.position);
  }
  return room;
}

/// The part of a sample that a unit sees, or all of it.
std::string seen(const Subject& subject, std::span<const float> values,
                 const soma::ReceptiveField& field, double width, const std::string& alt) {
  const std::string patch = drawn_patch(subject, values, field, width, alt);
  return patch.empty() ? drawn_sample(subject, values, nullptr, width, alt) : patch;
}

std::string room_html(const Subject& subject, const Room& room) {
  const soma::ReceptiveField& field = room.exhibits[0].field;
  std::string html =
      "<p>Each unit sees " + box_text(field, subject.kind) + " of " +
      subject.model().input_shape().str() +
      ". Left what it likes best by gradient ascent, right the samples (or the parts "
      "of them within its receptive field) that it answers to most.</p>\n"
      "<div class=\"row\">";
  for (const Exhibit& e : room.exhibits) {
    const std::string name = room.layer + ":" + std::to_string(e.unit);
    std::string body = seen(subject, e.maximised.input, e.field, 84, "Maximised input of " + name);
    for (const Example& one : e.top) {
      body += seen(subject, subject.sample(one.sample), one.field, 52,
                   name + ", sample " + std::to_string(one.sample));
    }
    html += "<figure class=\"shot\"><figcaption>" + escape_html(name) +
            "</figcaption><div class=\"pair\">" + body + "</div></figure>\n";
  }
  return html + "</div>\n";
}

ordered_json room_json(const Room& room) {
  ordered_json units = ordered_json::array();
  for (const Exhibit& e : room.exhibits) {
    ordered_json top = ordered_json::array();
    for (const Example& one : e.top) {
      top.push_back(
          {{"sample", one.sample}, {"position", one.position}, {"activation", one.activation}});
    }
    units.push_back({{"unit", e.unit},
                     {"mean_peak", e.mean_peak},
                     {"maximised", e.maximised.after},
                     {"top", top}});
  }
  const soma::ReceptiveField& field = room.exhibits[0].field;
  return {{"layer", room.layer},
          {"type", room.type},
          {"receptive_field", {{"begin", field.begin}, {"end", field.end}}},
          {"units", units}};
}

}  // namespace

int look_at_layers(const LookRequest& request) {
  const Subject subject(request);
  const auto& inputs = subject.model().inputs();
  if (inputs.size() != 1 || inputs[0].type != soma::DType::f32 || subject.data.size() == 0) {
    throw soma::UnsupportedError(
        "inspect: --gallery: expected a model with one input of numbers, and samples");
  }
  std::vector<Room> rooms;
  for (const auto& layer : subject.model().layers()) {
    const auto neurons = subject.model().layer(layer.name);
    if (neurons.weighs() || !neurons.neuron(0).incoming().empty()) {
      rooms.push_back(room_of(subject, layer, request));
    }
  }
  if (!request.html.empty()) {
    LookPage page{
        "From edges to parts: " + subject.model().name(),
        "What the units of each layer respond to, from the first layer to the last, over " +
            grouped(std::min(kSamples, subject.data.size())) + " samples of " +
            escape_html(subject.spec) + "; of each layer the " + std::to_string(kUnits) +
            " units that answer most strongly.",
        {},
        {}};
    for (const Room& room : rooms) page.sections.push_back({room.layer, room_html(subject, room)});
    write_file(request.html, page.html());
  }
  if (request.json) {
    ordered_json layers = ordered_json::array();
    for (const Room& room : rooms) layers.push_back(room_json(room));
    const ordered_json out = {{"file", subject.trained.file.string()},
                              {"model", subject.model().name()},
                              {"data", subject.spec},
                              {"backend", subject.backend.name()},
                              {"layers", layers}};
    std::cout << out.dump() << "\n";
    return 0;
  }
  for (const Room& room : rooms) {
    std::string units;
    for (const Exhibit& e : room.exhibits) units += " " + std::to_string(e.unit);
    std::cout << room.layer << " sees " << box_text(room.exhibits[0].field, subject.kind)
              << "; units" << units << "\n";
  }
  if (!request.html.empty()) std::cout << "page " << request.html << "\n";
  return 0;
}
