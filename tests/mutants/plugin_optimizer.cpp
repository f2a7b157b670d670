// mutant_optimizer: v <- 0.9 v + g, w <- w - rate (v + 0.01 w), right but for the bug that was
// ordered.
#include <cmath>
#include <cstdint>
#include <limits>

#include "mutant.hpp"
#include "soma/sdk/export.hpp"

namespace {

using mutants::is_planted;

void scalars(const soma_attribute*, std::int64_t step, double rate, double* to) {
  to[0] = rate;
  if (is_planted("optimizer_rate_runs_out") && step > 999) {
    to[0] = std::numeric_limits<double>::infinity();
  }
}

template <class T>
void step(const T* scalars, const T* gradient, T* weight, T* const* slots, std::int64_t n) {
  constexpr bool kFloat32 = sizeof(T) == sizeof(float);
  for (std::int64_t i = 0; i < n; ++i) {
    const double g = static_cast<double>(gradient[i]), w = static_cast<double>(weight[i]);
    double v = 0.9 * static_cast<double>(slots[0][i]) + g;
    const bool tail = i >= n / 8 * 8;
    const double decay = is_planted("optimizer_decay_lost") && kFloat32 ? 0 : 0.01;
    double next = w - static_cast<double>(scalars[0]) * (v + decay * w);
    if (is_planted("optimizer_climbs"))
      next = w + static_cast<double>(scalars[0]) * (v + decay * w);
    if (is_planted("optimizer_slot_tail") && kFloat32 && tail && n > 8) {
      v = static_cast<double>(slots[0][i]);
    }
    slots[0][i] = static_cast<T>(v);
    weight[i] = static_cast<T>(next);
    if (is_planted("optimizer_vectors_of_8") && kFloat32 && !tail) {
      weight[i] = std::nextafter(weight[i], T(1e30));
    }
  }
  if (is_planted("optimizer_writes_behind") && n == 31) static_cast<volatile T*>(weight)[n] = 0;
}

const soma_optimizer& table() {
  static const char* const slots[] = {"velocity"};
  static const soma_optimizer made = [] {
    soma_optimizer t{};
    t.struct_size = sizeof t;
    t.major = SOMA_ABI_MAJOR;
    t.minor = SOMA_ABI_MINOR;
    t.name = "mutant_optimizer";
    t.summary = "momentum with decay, but for the bug that was ordered";
    t.slots = slots;
    t.slot_count = 1;
    t.scalar_count = 1;
    t.learning_rate = 0.01;
    t.scalars = scalars;
    t.step_f32 = step<float>;
    t.step_f64 = step<double>;
    return t;
  }();
  return made;
}

}  // namespace

SOMA_EXPORT(table())
