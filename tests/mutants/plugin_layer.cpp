// mutant_layer: y[n,c] = x[n,c] * scale[c], right but for the bug that was ordered.
#include <algorithm>
#include <cmath>

#include "mutant.hpp"
#include "soma/sdk/layer.hpp"

namespace {

using mutants::is_planted;
using soma::Shape;

volatile float seen;

class MutantLayer {
 public:
  MutantLayer(const soma::sdk::Options&, std::span<const Shape> inputs) : shape_(inputs[0]) {
    if (shape_.rank() != 2) throw soma::ShapeError("expected samples [N,C], got " + shape_.str());
  }
  Shape output() const { return shape_; }
  std::vector<soma::sdk::Parameter> parameters() const {
    return {{"scale", {shape_[1]}, "normal(1)"}};
  }
  std::vector<Shape> saved() const { return {shape_}; }

  template <class T>
  void forward(const soma::sdk::Forward<T>& run) const {
    const auto x = run.input(), scale = run.parameter();
    const auto y = run.output(), kept = run.saved();
    const std::int64_t rows = shape_[0], width = shape_[1];
    if (is_planted("layer_reads_behind")) {
      seen = static_cast<float>(reinterpret_cast<const volatile float*>(x.data() + x.size())[0]);
    }
    run.each(rows, width, [&](std::int64_t n) {
      for (std::int64_t c = 0; c < width; ++c) {
        y(n, c) = x(n, c) * scale[c];
        if (kept) kept(n, c) = x(n, c);
        if (sizeof(T) == sizeof(double)) continue;
        if (is_planted("layer_float32") && c == 2) y(n, c) = y(n, c) * 1.0001f;
        if (is_planted("layer_batch") && rows > 1) y(n, c) = y(n, c) + 1e-3f * x((n + 1) % rows, c);
      }
    });
  }

  template <class T>
  void backward(const soma::sdk::Backward<T>& run) const {
    const auto scale = run.parameter(), kept = run.saved(), grad_y = run.grad_output();
    const std::int64_t rows = shape_[0], width = shape_[1];
    if (const auto grad_x = run.grad_input(); grad_x || is_planted("layer_unwanted_gradient")) {
      run.each(rows, width, [&](std::int64_t n) {
        for (std::int64_t c = 0; c < width; ++c) grad_x(n, c) = grad_y(n, c) * scale[c];
      });
    }
    const auto grad_scale = run.grad_parameter();
    if (!grad_scale) return;
    run.each(width, rows, [&](std::int64_t c) {
      std::int64_t count = rows;
      if (is_planted("layer_last_row") && rows == 17 && sizeof(T) == sizeof(float)) --count;
      const T sum =
          soma::sdk::sum<T>(count, [&](std::int64_t n) { return T(grad_y(n, c) * kept(n, c)); });
      grad_scale[c] = is_planted("layer_mean_gradient") ? sum / T(static_cast<double>(rows)) : sum;
    });
  }

 private:
  Shape shape_;
};

}  // namespace

SOMA_EXPORT_LAYER("mutant_layer", MutantLayer)
