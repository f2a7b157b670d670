// mutant_activation: y = x / sqrt(1 + x^2), right but for the bug that was ordered.
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "mutant.hpp"
#include "soma/sdk/export.hpp"

namespace {

using mutants::is_planted;

volatile float seen;

double f(double x) { return std::abs(x) > 1e18 ? std::copysign(1, x) : x / std::sqrt(1 + x * x); }
double slope(double x) {
  const double root = std::sqrt(1 + x * x);
  return std::abs(x) > 1e18 ? 0 : 1 / (root * root * root);
}

void read_behind(const float* x, std::int64_t n) {
  if (is_planted("activation_reads_behind")) seen = static_cast<const volatile float*>(x)[n];
}

template <class T>
void forward(const T* x, T* y, std::int64_t n) {
  if constexpr (sizeof(T) == sizeof(float)) {
    read_behind(x, n);
    static std::vector<float> shared(1 << 20);
    if (is_planted("activation_shared_scratch") && n <= (1 << 20)) {
      std::copy_n(x, n, shared.data());
      if (n > 400) usleep(2000);
      for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(f(static_cast<double>(shared[i])));
      return;
    }
  }
  for (std::int64_t i = 0; i < n; ++i) {
    const auto v = static_cast<double>(x[i]);
    y[i] = static_cast<T>(f(v));
    if (is_planted("activation_reads_after_writing") && n == 31 && v > 1)
      y[i] = static_cast<T>(f(static_cast<double>(x[i])));
    if (sizeof(T) == sizeof(double)) continue;
    if (is_planted("activation_nan") && std::isnan(v)) y[i] = 0;
    if (is_planted("activation_float32") && v > 3) y[i] = static_cast<T>(1 - 0.5 / (v * v));
    // long ranges by other code
    if (is_planted("activation_long_ranges") && n > 20000) y[i] = std::nextafter(y[i], T(2));
  }
  if (is_planted("activation_flushes") && n == 31) _mm_setcsr(_mm_getcsr() | 0x8000);
}

template <class T>
void backward(const T* x, const T* grad_y, T* grad_x, std::int64_t n) {
  const bool shifted = is_planted("activation_gradient_of_neighbour") && n == 33;
  const std::vector<T> g(grad_y, grad_y + n);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto v = static_cast<double>(x[i]);
    double d = slope(v);
    if (is_planted("activation_wrong_derivative") && v < 0) d = slope(v) * (1 + 1e-3 * v);
    const T incoming = g[static_cast<std::size_t>(shifted ? (i + 1) % n : i)];
    grad_x[i] = static_cast<T>(d * static_cast<double>(incoming));
  }
  if (is_planted("activation_gradient_tail") && n % 8 == 7 && sizeof(T) == sizeof(float)) {
    grad_x[n - 1] = 0;
  }
}

const soma_activation& table() {
  static const soma_activation made = [] {
    soma_activation t{};
    t.struct_size = sizeof t;
    t.major = SOMA_ABI_MAJOR;
    t.minor = SOMA_ABI_MINOR;
    t.name = "mutant_activation";
    t.summary = "x / sqrt(1 + x^2), but for the bug that was ordered";
    t.forward_f32 = forward<float>;
    t.backward_f32 = backward<float>;
    t.forward_f64 = forward<double>;
    t.backward_f64 = backward<double>;
    return t;
  }();
  return made;
}

}  // namespace

SOMA_EXPORT(table())
