#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "soma/abi.h"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/options.hpp"
#include "soma/sdk/wide.hpp"

/// What the author of an optimizer plugin includes: the whole plugin is
///
///   #include <soma/sdk/optimizer.hpp>
///
///   /// Momentum: v <- beta v + g, w <- w - learning_rate v.
///   struct Heavy {
///     static constexpr double kLearningRate = 0.01;  // the default
///     static constexpr soma_option kOptions[] = {soma::sdk::real("beta", 0.9, 0, 1)};
///     static constexpr const char* kSlots[] = {"v"};
///
///     /// What the elements of an update share; `step` counts from 1.
///     static auto scalars(const soma::sdk::Options& o, std::int64_t step, double learning_rate) {
///       return std::array{learning_rate, o.real("beta")};
///     }
///     template <class T>
///     static void step(T& weight, T gradient, std::array<T, 1>& v, const std::array<T, 2>& s) {
///       v[0] = s[1] * v[0] + gradient;
///       weight -= s[0] * v[0];
///     }
///   };
///   SOMA_EXPORT_OPTIMIZER("heavy", Heavy)
///
/// `step` is instantiated for SIMD lanes of float32 and for float64; it may use what an activation
/// may (soma/sdk/activation.hpp), and sees one element at a time: its weight, its gradient and its
/// slots, which are zero before the first update. scalars come in float64 and are rounded to
/// float32 once.
namespace soma::sdk {
// The functions below contain code of the canonical functions; see math/isa.hpp.
inline namespace SOMA_MATH_ISA {

template <class O>
struct OptimizerFunctions {
  static constexpr std::size_t kSlots = [] {
    if constexpr (requires { O::kSlots; }) {
      return std::size(O::kSlots);
    } else {
      return std::size_t{0};
    }
  }();
  static constexpr std::size_t kScalars =
      std::tuple_size_v<decltype(O::scalars(std::declval<Options>(), std::int64_t{}, double{}))>;

  static void scalars(const soma_attribute* options, std::int64_t step, double learning_rate,
                      double* to) {
    const auto values = O::scalars(Options(options, options_of<O>().size()), step, learning_rate);
    for (std::size_t i = 0; i < kScalars; ++i) to[i] = static_cast<double>(values[i]);
  }

  /// Lanes of type L; the last elements run the same code under a mask.
  template <class L, class Float>
  static void run(const Float* scalars, const Float* gradient, Float* weight, Float* const* slots,
                  std::int64_t n) {
    std::array<L, kScalars> s;
    for (std::size_t i = 0; i < kScalars; ++i) s[i] = L(scalars[i]);
    std::array<L, kSlots> slot;
    std::int64_t i = 0;
    for (; i + L::kLanes <= n; i += L::kLanes) {
      L w = L::load(weight + i);
      for (std::size_t k = 0; k < kSlots; ++k) slot[k] = L::load(slots[k] + i);
      O::step(w, L::load(gradient + i), slot, s);
      w.store(weight + i);
      for (std::size_t k = 0; k < kSlots; ++k) slot[k].store(slots[k] + i);
    }
    if (i == n) return;
    const std::int64_t left = n - i;
    L w = L::load_partial(weight + i, left);
    for (std::size_t k = 0; k < kSlots; ++k) slot[k] = L::load_partial(slots[k] + i, left);
    O::step(w, L::load_partial(gradient + i, left), slot, s);
    w.store_partial(weight + i, left);
    for (std::size_t k = 0; k < kSlots; ++k) slot[k].store_partial(slots[k] + i, left);
  }
};

/// The C table of optimizer O, known to --optimizer as `name`.
template <class O>
const soma_optimizer& optimizer_table(const char* name) {
  using F = OptimizerFunctions<O>;
  static const soma_optimizer table = [name] {
    soma_optimizer t{sizeof(soma_optimizer), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, name,
                     summary_of<O>(name)};
    t.options = options_of<O>().data();
    t.option_count = static_cast<std::int32_t>(options_of<O>().size());
    if constexpr (requires { O::kSlots; }) t.slots = O::kSlots;
    t.slot_count = static_cast<std::int32_t>(F::kSlots);
    t.scalar_count = static_cast<std::int32_t>(F::kScalars);
    t.learning_rate = O::kLearningRate;
    t.scalars = &F::scalars;
    t.step_f32 = &F::template run<math::WideF32, float>;
    t.step_f64 = &F::template run<math::F64, double>;
    return t;
  }();
  return table;
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::sdk

/// Makes this library a plugin with one optimizer.
#define SOMA_EXPORT_OPTIMIZER(name, Class) \
  SOMA_EXPORT_WIDE(::soma::sdk::optimizer_table<Class>(name))
