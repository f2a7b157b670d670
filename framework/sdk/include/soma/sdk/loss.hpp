#pragma once

#include <cstdint>
#include <span>

#include "soma/abi.h"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/options.hpp"
#include "soma/sdk/sums.hpp"
#include "soma/sdk/wide.hpp"

/// What the author of a loss plugin includes. A loss is the mean of its items, which the host forms
/// in the canonical order; the author writes what one item costs. `value` has one of three forms:
///
///   T value(T output, T target)                       an item is a number; the gradient follows
///                                                     from dual numbers
///   T value(span<const T> output, int32_t target)     an item is a row of the last axis, its
///                                                     target a class in [0, output.size())
///   T value(span<const T> output, span<const T> target)     a row and as many numbers
///
/// The last two come with
///
///   void gradient(span<const T> output, TARGET target, T scale, span<T> gradient)
///
/// which overwrites gradient with scale times the derivative by the output. For example:
///
///   #include <soma/sdk/loss.hpp>
///
///   /// log(cosh(d)), written so that it does not overflow.
///   struct LogCosh {
///     template <class T>
///     static T value(T output, T target) {
///       const T d = abs(output - target);
///       return d + log1p(exp(d * -2)) - 0.6931471805599453;
///     }
///   };
///   SOMA_EXPORT_LOSS("log_cosh", LogCosh)
///
/// T is float32 (for the first form lanes of it), float64, or a dual number over these; what may be
/// computed with it is said in soma/sdk/activation.hpp. Options: list them as kOptions and take
/// them in a constructor, explicit LogCosh(const soma::sdk::Options&).
namespace soma::sdk {
// The functions below contain code of the canonical functions; see math/isa.hpp.
inline namespace SOMA_MATH_ISA {

template <class A>
concept ElementLoss = requires(const A& a, math::F64 x) {
  a.value(x, x);
};
template <class A>
concept ClassLoss = requires(const A& a, std::span<const math::F64> row) {
  a.value(row, std::int32_t{});
};
template <class A>
concept RowLoss = requires(const A& a, std::span<const math::F64> row) {
  a.value(row, row);
};

/// The functions of the C table for loss A, over elements of `Float`.
template <class A, class Float>
struct LossFunctions {
  using T = math::Wrapped<Float>;

  static A make(const soma_attribute* options) {
    return make_from<A>(Options(options, options_of<A>().size()));
  }
  static std::span<const T> row(const Float* x, std::int64_t i, std::int64_t width) {
    return {reinterpret_cast<const T*>(x) + i * width, static_cast<std::size_t>(width)};
  }
  /// target number i, as A takes it
  static auto target_of(const void* targets, std::int64_t i, std::int64_t width) {
    if constexpr (ClassLoss<A>) {
      return static_cast<const std::int32_t*>(targets)[i];
    } else {
      return row(static_cast<const Float*>(targets), i, width);
    }
  }

  static void value(const soma_attribute* options, const Float* output, const void* target,
                    std::int64_t items, std::int64_t width, Float* to) {
    const A loss = make(options);
    if constexpr (ElementLoss<A>) {
      math::transform(output, static_cast<const Float*>(target), to, items,
                      [&loss](auto y, auto t) { return loss.value(y, t); });
    } else {
      for (std::int64_t i = 0; i < items; ++i) {
        to[i] = T(loss.value(row(output, i, width), target_of(target, i, width))).v;
      }
    }
  }

  static void gradient(const soma_attribute* options, const Float* output, const void* target,
                       std::int64_t items, std::int64_t width, Float scale, Float* to) {
    const A loss = make(options);
    if constexpr (ElementLoss<A>) {
      math::transform(output, static_cast<const Float*>(target), to, items,
                      [&loss, scale](auto y, auto t) {
                        using D = math::Dual<decltype(y)>;
                        return loss.value(D::variable(y), D(t)).derivative * decltype(y)(scale);
                      });
    } else {
      for (std::int64_t i = 0; i < items; ++i) {
        const std::span<T> gradient(reinterpret_cast<T*>(to) + i * width,
                                    static_cast<std::size_t>(width));
        loss.gradient(row(output, i, width), target_of(target, i, width), T(scale), gradient);
      }
    }
  }
};

/// The C table of loss A, known to model files as `name`.
template <class A>
const soma_loss& loss_table(const char* name) {
  static_assert(ElementLoss<A> || ClassLoss<A> || RowLoss<A>,
                "a loss has value(T, T), value(std::span<const T>, std::int32_t) or "
                "value(std::span<const T>, std::span<const T>), const or static");
  static const soma_loss table = [name] {
    soma_loss t{sizeof(soma_loss), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, name, summary_of<A>(name)};
    t.target = ElementLoss<A> ? SOMA_ELEMENTS : ClassLoss<A> ? SOMA_CLASSES : SOMA_ROWS;
    t.options = options_of<A>().data();
    t.option_count = static_cast<std::int32_t>(options_of<A>().size());
    t.value_f32 = &LossFunctions<A, float>::value;
    t.gradient_f32 = &LossFunctions<A, float>::gradient;
    t.value_f64 = &LossFunctions<A, double>::value;
    t.gradient_f64 = &LossFunctions<A, double>::gradient;
    return t;
  }();
  return table;
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::sdk

/// Makes this library a plugin with one loss.
#define SOMA_EXPORT_LOSS(name, Class) SOMA_EXPORT_WIDE(::soma::sdk::loss_table<Class>(name))
