#include <soma/sdk/layer.hpp>

using soma::Shape;

/// Radial basis functions: y[n,j] = exp(-(s[j] d[n,j])^2), d the distance of sample n to center j;
/// centers and sharpness s are learned. Source: Broomhead & Lowe, Complex Systems 2 (1988).
/// Letters: N samples, D numbers in each, J units.
class RadialBasis {
 public:
  static constexpr soma_option kOptions[] = {
      soma::sdk::required(soma::sdk::integer("units", 0, 1, 1e9)),
      soma::sdk::real("width", 1, 1e-6, 1e6)};  // in distances of random samples, sqrt(D)

  RadialBasis(const soma::sdk::Options& fields, std::span<const Shape> inputs)
      : N(inputs[0][0]), D(inputs[0].elements_from(1)), J(fields.integer("units")) {
    if (D == 0) throw soma::ShapeError("expected samples with numbers, got " + inputs[0].str());
    sharpness_ = 1 / (fields.real("width") * std::sqrt(static_cast<double>(D)));
  }
  Shape output() const { return {N, J}; }
  std::vector<soma::sdk::Parameter> parameters() const {
    return {{"centers", {J, D}, "normal(1)"},
            {"sharpness", {J}, "constant(" + std::to_string(sharpness_) + ")"}};
  }
  std::vector<Shape> saved() const { return {{N, J}}; }  // squared distances

  template <class T>
  void forward(const soma::sdk::Forward<T>& run) const {
    const auto x = run.input(), centers = run.parameter(0), s = run.parameter(1);
    const auto y = run.output(), squares = run.saved();
    run.each(N * J, 4 * D, [&](std::int64_t i) {
      const T *a = x.data() + i / J * D, *c = centers.data() + i % J * D;
      const T square = soma::sdk::sum<T>(D, [&](std::int64_t d) {
        const T difference = a[d] - c[d];
        return difference * difference;
      });
      if (squares) squares[i] = square;
      y[i] = exp(-(s[i % J] * s[i % J] * square));
    });
  }

  template <class T>
  void backward(const soma::sdk::Backward<T>& run) const {
    const auto x = run.input(), centers = run.parameter(0), s = run.parameter(1);
    const auto grad_y = run.grad_output(), squares = run.saved();
    // minus half the slope of the loss by d^2
    const auto pull = [&](std::int64_t n, std::int64_t j) {
      const T s2 = s[j] * s[j];
      return T(grad_y(n, j) * exp(-(s2 * squares(n, j))) * s2 * 2);
    };
    if (const auto grad_x = run.grad_input()) {
      run.each(N, 4 * J * D, [&](std::int64_t n) {
        T* to = grad_x.data() + n * D;
        std::fill_n(to, D, T(0));
        for (std::int64_t j = 0; j < J; ++j) {
          add(pull(n, j), centers.data() + j * D, x.data() + n * D, to);
        }
      });
    }
    if (const auto grad_centers = run.grad_parameter(0)) {
      run.each(J, 4 * N * D, [&](std::int64_t j) {
        T* to = grad_centers.data() + j * D;
        std::fill_n(to, D, T(0));
        for (std::int64_t n = 0; n < N; ++n) {
          add(pull(n, j), x.data() + n * D, centers.data() + j * D, to);
        }
      });
    }
    if (const auto grad_s = run.grad_parameter(1)) {
      run.each(J, 4 * N, [&](std::int64_t j) {
        grad_s[j] = soma::sdk::sum<T>(N, [&](std::int64_t n) {
          const T y = exp(-(s[j] * s[j] * squares(n, j)));
          return grad_y(n, j) * y * squares(n, j) * (s[j] * -2);
        });
      });
    }
  }

 private:
  /// to += factor * (a - b)
  template <class T>
  void add(T factor, const T* a, const T* b, T* to) const {
    for (std::int64_t d = 0; d < D; ++d) to[d] = fma(factor, a[d] - b[d], to[d]);
  }

  std::int64_t N, D, J;
  double sharpness_;
};
SOMA_EXPORT_LAYER("radial_basis", RadialBasis)
