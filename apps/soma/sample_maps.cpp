// soma inspect --sample: what every channel of every layer makes of one sample.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "files.hpp"
#include "look_page.hpp"
#include "report.hpp"

using nlohmann::ordered_json;

namespace {

/// What one layer gives for a sample.
struct Maps {
  std::string layer, type;
  soma::Shape shape;
  std::vector<float> values;
  float low = 0, high = 0;
  double mean = 0, silent = 0;  ///< share of channels that are 0 or less everywhere
};

Maps maps_of(const Subject& subject, const soma::Model::LayerView& layer, std::int64_t sample,
             int threads) {
  soma::LayerProbe probe(subject.model(), layer.name, subject.backend,
                         {.batch = 1, .threads = threads, .layers = {}});
  std::vector<std::vector<std::byte>> bytes;
  std::vector<soma::TensorView> views;
  for (std::size_t i = 0; i < subject.data.inputs().size(); ++i) {
    const auto& column = subject.data.inputs()[i];
    auto& to = bytes.emplace_back(static_cast<std::size_t>(column.sample.elements()) * 4);
    subject.data.gather_input(i, {&sample, 1}, to.data());
  }
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t n = bytes[i].size() / 4;
    if (subject.data.inputs()[i].type == soma::DType::f32) {
      views.push_back(std::span(reinterpret_cast<const float*>(bytes[i].data()), n));
    } else {
      views.push_back(std::span(reinterpret_cast<const std::int32_t*>(bytes[i].data()), n));
    }
  }
  const auto outputs = probe.run(views).outputs;
  Maps maps{
      layer.name, std::string(layer.layer->type()), layer.output, {outputs.begin(), outputs.end()}};
  const auto [low, high] = std::ranges::minmax(maps.values);
  maps.low = low, maps.high = high;
  for (const float v : maps.values) maps.mean += v / static_cast<double>(maps.values.size());
  const auto channels = static_cast<std::size_t>(maps.shape.rank() == 0 ? 1 : maps.shape.back());
  std::vector<bool> alive(channels, false);
  for (std::size_t i = 0; i < maps.values.size(); ++i) {
    if (maps.values[i] > 0) alive[i % channels] = true;
  }
  maps.silent =
      static_cast<double>(std::ranges::count(alive, false)) / static_cast<double>(channels);
  return maps;
}

/// Every channel as a tile; a vector as tiles of one pixel.
std::string maps_picture(const Maps& maps) {
  const soma::Shape& s = maps.shape;
  const bool image = s.rank() == 3, sequence = s.rank() == 2;
  const std::int64_t rows = image ? s[0] : 1;
  const std::int64_t columns = image ? s[1] : sequence ? s[0] : 1;
  const auto channels = static_cast<std::int64_t>(maps.values.size()) / (rows * columns);
  const float most = largest(maps.values);
  std::vector<Picture> tiles;
  for (std::int64_t c = 0; c < channels; ++c) {
    std::vector<float> tile;
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      tile.push_back(maps.values[static_cast<std::size_t>(i * channels + c)]);
    }
    tiles.push_back(maps.low < 0 ? signed_map(tile, rows, columns, most)
                                 : heat(tile, rows, columns, most));
  }
  const Picture whole = grid(tiles, sequence ? 1 : grid_columns(channels, rows, columns));
  const double scale =
      std::clamp(1080.0 / static_cast<double>(whole.width), 1.0, image ? 4.0 : 14.0);
  return figure("", img(whole, scale, "Feature maps of " + maps.layer),
                (maps.low < 0 ? signed_key(most) : heat_key(brief_number(most))));
}

/// What the network says at the end, as bars.
std::string verdict(const Subject& subject, const Maps& last) {
  if (!gives_classes(subject.model(), last.layer) || last.values.size() != subject.classes.size()) {
    return "";
  }
  double sum = 0;
  for (const float v : last.values) sum += std::exp(double{v} - last.high);
  std::vector<double> shares;
  for (const float v : last.values) shares.push_back(100 * std::exp(double{v} - last.high) / sum);
  std::vector<std::string> names = subject.classes;
  if (names.size() > 20) return "";
  return named_bars("What the network makes of it", "% probability", names, shares);
}

std::string summary_of(const Maps& maps) {
  return maps.shape.str() + ", from " + brief_number(maps.low) + " to " + brief_number(maps.high) +
         ", mean " + brief_number(maps.mean) + ", " + percent(maps.silent) +
         " of the channels silent";
}

}  // namespace

int look_at_sample(const LookRequest& request) {
  const Subject subject(request);
  const std::int64_t sample = *request.sample;
  if (sample >= subject.data.size()) {
    throw soma::ShapeError("inspect: --sample: " + subject.spec + " has the test samples 0 to " +
                           std::to_string(subject.data.size() - 1) + ", there is no " +
                           std::to_string(sample));
  }
  std::vector<Maps> all;
  for (const auto& layer : subject.model().layers()) {
    if (layer.layer->type() == "flatten" || layer.layer->type() == "dropout") continue;
    all.push_back(maps_of(subject, layer, sample, request.threads));
  }
  const std::string label = subject.class_of(sample);
  const std::string title = "Sample " + std::to_string(sample) + " of " + subject.spec;
  if (!request.html.empty()) {
    LookPage page{title,
                  "Every channel of every layer of " + escape_html(subject.model().name()) +
                      " for one sample" +
                      (label.empty() ? "." : ", which is of class " + escape_html(label) + "."),
                  {},
                  {}};
    page.sections.push_back(
        {"Input", "<div class=\"side\">" +
                      drawn_sample(subject, subject.sample(sample), nullptr, 260, title) +
                      verdict(subject, all.back()) + "</div>"});
    for (const Maps& maps : all) {
      page.sections.push_back({maps.layer + " (" + maps.type + ")",
                               "<p>" + summary_of(maps) + ".</p>" + maps_picture(maps)});
    }
    write_file(request.html, page.html());
  }
  if (request.json) {
    ordered_json layers = ordered_json::array();
    for (const Maps& m : all) {
      layers.push_back(
          {{"layer", m.layer},
           {"type", m.type},
           {"shape", std::vector<std::int64_t>(m.shape.dims().begin(), m.shape.dims().end())},
           {"min", m.low},
           {"max", m.high},
           {"mean", m.mean},
           {"silent", m.silent}});
    }
    ordered_json out = {{"file", subject.trained.file.string()},
                        {"model", subject.model().name()},
                        {"data", subject.spec},
                        {"backend", subject.backend.name()},
                        {"sample", sample},
                        {"class", label.empty() ? ordered_json() : ordered_json(label)},
                        {"layers", layers}};
    std::cout << out.dump() << "\n";
    return 0;
  }
  std::cout << title << (label.empty() ? "" : " (" + label + ")") << "\n";
  for (const Maps& m : all) {
    std::printf("%-16s %s\n", m.layer.c_str(), summary_of(m).c_str());
  }
  if (!request.html.empty()) std::cout << "page             " << request.html << "\n";
  return 0;
}
