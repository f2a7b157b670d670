#include "soma/neuron/maximise.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "soma/error.hpp"
#include "soma/neuron/layer_probe.hpp"
#include "soma/neuron/neuron_view.hpp"
#include "soma/philox.hpp"

namespace soma {
namespace {

/// One image, or anything else, that climbs.
class Canvas {
 public:
  Canvas(const MaximiseOptions& options, ReceptiveField field, std::uint32_t number)
      : options_(options), field_(std::move(field)) {
    const PhiloxStream stream(options.seed, "maximise");
    const auto range = static_cast<double>(options.high - options.low);
    for (std::size_t e = 0; e < field_.reaches.size(); ++e) {
      const double noise =
          options.noise * range * stream.uniform(number, static_cast<std::uint32_t>(e));
      x_.push_back(options.background + (field_.reaches[e] ? static_cast<float>(noise) : 0.0f));
    }
  }

  const std::vector<float>& input() const { return x_; }

  /// `share` of all steps are done.
  void climb(std::span<const float> gradient, double share) {
    double squares = 0;
    for (const float g : gradient) squares += double{g} * g;
    const double reaches = static_cast<double>(std::max<std::int64_t>(1, field_.count()));
    const double range = static_cast<double>(options_.high - options_.low);
    const double rate = options_.rate * range * (0.55 + 0.45 * std::cos(std::numbers::pi * share));
    const bool shaping = share < options_.shaping;
    if (shaping_ && !shaping) steepest_ = 0;
    shaping_ = shaping;
    steepest_ = std::max(steepest_, std::sqrt(squares / reaches));
    const double scale = rate / (steepest_ + 1e-12);
    for (std::size_t e = 0; e < x_.size(); ++e) {
      x_[e] += static_cast<float>(scale * gradient[e]);
    }
    if (shaping) {
      for (float& v : x_) {
        v = options_.background +
            static_cast<float>((1 - options_.decay) * (v - options_.background));
      }
      if (field_.shape.rank() == 3) smooth();
    }
    for (std::size_t e = 0; e < x_.size(); ++e) {
      x_[e] =
          field_.reaches[e] ? std::clamp(x_[e], options_.low, options_.high) : options_.background;
    }
  }

 private:
  void smooth() {
    const std::int64_t rows = field_.shape[0], columns = field_.shape[1],
                       channels = field_.shape[2];
    const std::vector<float> before = x_;
    const auto place = [&](std::int64_t y, std::int64_t x, std::int64_t c) {
      return static_cast<std::size_t>((y * columns + x) * channels + c);
    };
    for (std::int64_t y = 0; y < rows; ++y) {
      for (std::int64_t x = 0; x < columns; ++x) {
        for (std::int64_t c = 0; c < channels; ++c) {
          double sum = 0;
          int count = 0;
          const auto add = [&](std::int64_t yy, std::int64_t xx) {
            if (yy < 0 || yy >= rows || xx < 0 || xx >= columns) return;
            if (field_.reaches[place(yy, xx, c)] == 0) return;
            sum += before[place(yy, xx, c)];
            ++count;
          };
          add(y - 1, x), add(y + 1, x), add(y, x - 1), add(y, x + 1);
          if (count == 0) continue;
          float& v = x_[place(y, x, c)];
          v += static_cast<float>(options_.smooth * (sum / count - before[place(y, x, c)]));
        }
      }
    }
  }

  const MaximiseOptions& options_;
  ReceptiveField field_;
  std::vector<float> x_;
  double steepest_ = 0;  // root mean square of the gradient, the largest of this part of the way
  bool shaping_ = true;
};

void check(const Model& model, std::span<const std::int64_t> units, const MaximiseOptions& o) {
  if (model.inputs().size() != 1 || model.inputs()[0].type != DType::f32) {
    throw ShapeError("maximise: expected a model with one input of f32; gradients do not move " +
                     std::string(model.inputs().size() == 1 ? "whole numbers" : "several inputs"));
  }
  const bool sound = o.steps >= 0 && o.rate > 0 && o.decay >= 0 && o.decay < 1 && o.smooth >= 0 &&
                     o.smooth <= 1 && o.low < o.high && o.background >= o.low &&
                     o.background <= o.high && !units.empty();
  if (!sound) {
    throw ShapeError(
        "maximise: expected units, steps of 0 or more, a rate above 0, decay from 0 to below 1, "
        "smooth from 0 to 1, and low <= background <= high");
  }
}

}  // namespace

bool gives_classes(const Model& model, const std::string& layer) {
  for (const OutputLoss& on : model.losses()) {
    if (on.output == layer && on.loss.takes_classes()) return true;
  }
  return false;
}

std::vector<Maximised> maximise(const Model& model, const std::string& layer,
                                std::span<const std::int64_t> units, const Backend& backend,
                                const MaximiseOptions& options) {
  check(model, units, options);
  const auto n = std::ssize(units);
  std::vector<Maximised> found;
  std::vector<Canvas> canvases;
  LayerProbe probe(model, layer, backend,
                   {.batch = n,
                    .threads = options.threads,
                    .log_probabilities = options.log_probability,
                    .layers = {}});
  const auto width = static_cast<std::size_t>(probe.shape().elements());
  std::vector<float> direction(static_cast<std::size_t>(n) * width, 0.0f);
  std::vector<std::size_t> goals;  // where in the layer's values the objectives are
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int64_t unit = units[static_cast<std::size_t>(i)];
    const NeuronView view = model.layer(layer).neuron(unit);
    const std::int64_t position = options.position < 0 ? view.position() : options.position;
    canvases.emplace_back(options, view.receptive_field(position),
                          static_cast<std::uint32_t>(unit));
    const std::int64_t element = position * model.layer(layer).neurons() + unit;
    goals.push_back(static_cast<std::size_t>(i) * width + static_cast<std::size_t>(element));
    direction[goals.back()] = 1;
    found.push_back({unit, model.input_shape(), {}, 0, 0, {}});
  }
  const auto size = static_cast<std::size_t>(model.input_shape().elements());
  std::vector<float> inputs(static_cast<std::size_t>(n) * size);
  const auto gather = [&] {
    for (std::size_t i = 0; i < canvases.size(); ++i) {
      std::ranges::copy(canvases[i].input(),
                        inputs.begin() + static_cast<std::ptrdiff_t>(i * size));
    }
    return TensorView(inputs);
  };
  for (std::int64_t step = 0; step < options.steps; ++step) {
    const TensorView view = gather();
    const auto gradient = probe.gradient({&view, 1}, direction);
    for (std::size_t i = 0; i < canvases.size(); ++i) {
      found[i].path.push_back(gradient.values.sums[goals[i]]);
      canvases[i].climb(gradient.inputs[0].subspan(i * size, size),
                        static_cast<double>(step) / static_cast<double>(options.steps));
    }
  }
  const TensorView last = gather();
  const auto values = probe.run({&last, 1});
  for (std::size_t i = 0; i < canvases.size(); ++i) {
    found[i].after = values.sums[goals[i]];
    found[i].before = found[i].path.empty() ? found[i].after : found[i].path.front();
    found[i].input = canvases[i].input();
  }
  return found;
}

}  // namespace soma
