// mutant_loss: sqrt(1 + d^2) - 1 with d = output - target, right but for the bug that was ordered.
#include <cmath>
#include <cstdint>

#include "mutant.hpp"
#include "soma/sdk/export.hpp"

namespace {

using mutants::is_planted;

template <class T>
void value(const soma_attribute*, const T* output, const void* target, std::int64_t items,
           std::int64_t, T* to) {
  const T* t = static_cast<const T*>(target);
  double before = 0;
  for (std::int64_t i = 0; i < items; ++i) {
    const double d = static_cast<double>(output[i]) - static_cast<double>(t[i]);
    double v = d * d / (std::sqrt(1 + d * d) + 1);
    if (sizeof(T) == sizeof(float)) {
      if (is_planted("loss_float32") && d > 2)
        v = static_cast<double>(std::sqrt(static_cast<float>(d * d)));
      if (is_planted("loss_carries_over") && items > 1) v += 1e-3 * before;
    }
    to[i] = static_cast<T>(v);
    before = v;
  }
  if (is_planted("loss_writes_behind") && items == 17) static_cast<volatile T*>(to)[items] = 0;
}

template <class T>
void gradient(const soma_attribute*, const T* output, const void* target, std::int64_t items,
              std::int64_t, T scale, T* to) {
  const T* t = static_cast<const T*>(target);
  for (std::int64_t i = 0; i < items; ++i) {
    const double d = static_cast<double>(output[i]) - static_cast<double>(t[i]);
    double g = d / std::sqrt(1 + d * d);
    if (is_planted("loss_gradient_halved") && d < 0) g /= 2;
    if (!is_planted("loss_ignores_scale") || sizeof(T) != sizeof(float)) {
      g *= static_cast<double>(scale);
    }
    to[i] = static_cast<T>(g);
  }
  if (is_planted("loss_gradient_last") && items == 65 && sizeof(T) == sizeof(float)) {
    to[items - 1] = -to[items - 1];
  }
}

const soma_loss& table() {
  static const soma_loss made = [] {
    soma_loss t{};
    t.struct_size = sizeof t;
    t.major = SOMA_ABI_MAJOR;
    t.minor = SOMA_ABI_MINOR;
    t.name = "mutant_loss";
    t.summary = "sqrt(1 + d^2) - 1, but for the bug that was ordered";
    t.target = SOMA_ELEMENTS;
    t.value_f32 = value<float>;
    t.gradient_f32 = gradient<float>;
    t.value_f64 = value<double>;
    t.gradient_f64 = gradient<double>;
    return t;
  }();
  return made;
}

}  // namespace

SOMA_EXPORT(table())
