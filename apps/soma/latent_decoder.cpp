#include "latent_decoder.hpp"

#include <png.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/sdk/math/functions.hpp"

using nlohmann::ordered_json;

soma::Model latent_decoder(const soma::Model& model) {
  const auto layers = model.layers();
  const auto latent = std::ranges::find_if(
      layers, [](const auto& layer) { return layer.layer->type() == "gaussian_sample"; });
  if (latent == layers.end()) {
    throw soma::UnsupportedError("model '" + model.name() +
                                 "': expected one of characters or one with a gaussian_sample "
                                 "layer to draw from, found neither");
  }
  const ordered_json whole = ordered_json::parse(model.to_json());
  const auto dims = latent->output.dims();
  ordered_json part = {
      {"soma_model", 1},
      {"name", model.name() + "-decoder"},
      {"inputs",
       {{{"name", latent->name}, {"shape", std::vector<std::int64_t>(dims.begin(), dims.end())}}}},
      {"layers", ordered_json::array()}};
  if (whole.contains("loss")) part["loss"] = whole["loss"];
  std::set<std::string> known = {latent->name};
  for (auto layer = latent + 1; layer != layers.end(); ++layer) {
    const auto is_known = [&](const std::string& name) { return known.contains(name); };
    if (!std::ranges::all_of(layer->inputs, is_known)) continue;
    for (ordered_json fields : whole["layers"]) {
      if (fields["name"] != layer->name) continue;
      fields["inputs"] = layer->inputs;
      part["layers"].push_back(fields);
    }
    known.insert(layer->name);
  }
  if (!known.contains(model.outputs()[0].name)) {
    throw soma::UnsupportedError("model '" + model.name() + "': expected an output of layer '" +
                                 latent->name + "' alone, found one that needs more");
  }
  soma::Model decoder = soma::Model::from_json(part.dump(), "decoder of " + model.name());
  decoder.initialize(0);
  for (soma::Parameter& parameter : decoder.parameters()) {
    const auto from = std::ranges::find(model.parameters(), parameter.name, &soma::Parameter::name);
    std::ranges::copy(from->value.as<float>(), parameter.value.as<float>().begin());
  }
  return decoder;
}

std::vector<float> standard_normals(std::uint64_t seed, std::uint32_t index, std::int64_t count) {
  const soma::PhiloxStream stream(seed, "sample");
  std::vector<float> numbers;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count); ++i) {
    // By Box & Muller (1958), with the canonical functions.
    const auto block = stream.block(index, i);
    const float u = (static_cast<float>(block[0] >> 8) + 1.0f) * 0x1p-24f;
    const float v = static_cast<float>(block[1] >> 8) * 0x1p-24f;
    numbers.push_back(std::sqrt(-2.0f * soma::math::log(u)) *
                      soma::math::cos(6.28318530717958647692f * v));
  }
  return numbers;
}

void write_image_grid(const std::filesystem::path& file, std::span<const float> images,
                      const soma::Shape& image) {
  const auto height = static_cast<std::size_t>(image[0]),
             width = static_cast<std::size_t>(image[1]),
             channels = static_cast<std::size_t>(image[2]);
  const std::size_t count = images.size() / (height * width * channels);
  const auto columns = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(count))));
  const std::size_t rows = (count + columns - 1) / columns;
  const std::size_t wide = columns * (width + 1) + 1, high = rows * (height + 1) + 1;
  std::vector<png_byte> pixels(wide * high * channels, 128);
  for (std::size_t n = 0; n < count; ++n) {
    const std::size_t top = n / columns * (height + 1) + 1, left = n % columns * (width + 1) + 1;
    for (std::size_t y = 0; y < height; ++y) {
      for (std::size_t x = 0; x < width * channels; ++x) {
        const float value = images[(n * height + y) * width * channels + x];
        pixels[((top + y) * wide + left) * channels + x] =
            static_cast<png_byte>(std::lround(std::clamp(value, 0.0f, 1.0f) * 255));
      }
    }
  }
  png_image out{};
  out.version = PNG_IMAGE_VERSION;
  out.width = static_cast<png_uint_32>(wide);
  out.height = static_cast<png_uint_32>(high);
  out.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  if (png_image_write_to_file(&out, file.c_str(), 0, pixels.data(), 0, nullptr) == 0) {
    throw soma::FormatError("cannot write " + file.string() + ": " + out.message);
  }
}
