#pragma once

#include <concepts>
#include <cstdint>

#include "soma/abi.h"
#include "soma/sdk/export.hpp"
#include "soma/sdk/math/functions.hpp"

/// What the author of an activation plugin includes: the whole plugin is
///
///   #include <soma/sdk/activation.hpp>
///
///   /// Snake, x + sin^2(x). Source: Ziyin et al., arXiv:2006.08195, with a = 1.
///   struct Snake {
///     template <class T>
///     static T f(T x) {
///       const T s = sin(x);
///       return x + s * s;
///     }
///   };
///   SOMA_EXPORT_ACTIVATION("snake", Snake)
///
/// f is instantiated for SIMD lanes of float32, for float64, and for dual numbers over both, from
/// which the derivative follows. It may use arithmetic with constants, comparisons together with
/// select(condition, a, b) (never `if` or `?:` on x), min, max, abs, sqrt, fma, copysign, and the
/// canonical exp, expm1, log, log1p, tanh, sigmoid, erf, softplus, sin, cos, relu, all called
/// without a namespace. It must be a pure function of x. Where select() picks a branch the other is
/// computed too, and neither its value nor its derivative reaches the result.
/// A struct may describe itself in one line with `static constexpr const char* kSummary`.

namespace soma::sdk {
// The functions below contain code of the canonical functions; see math/isa.hpp.
inline namespace SOMA_MATH_ISA {

/// The four functions of the C table for activation A. Element by element: any split of a range
/// gives the same bits. y may be x; grad_x may be grad_y.
template <class A>
struct ActivationFunctions {
  struct Value {
    template <class T>
    T operator()(T x) const {
      return A::f(x);
    }
  };
  struct Gradient {
    template <class T>
    T operator()(T x, T grad_y) const {
      return A::f(math::Dual<T>::variable(x)).derivative * grad_y;
    }
  };

  static void forward_f32(const float* x, float* y, std::int64_t n) {
    math::transform(x, y, n, Value{});
  }
  static void backward_f32(const float* x, const float* grad_y, float* grad_x, std::int64_t n) {
    math::transform(x, grad_y, grad_x, n, Gradient{});
  }
  static void forward_f64(const double* x, double* y, std::int64_t n) {
    math::transform(x, y, n, Value{});
  }
  static void backward_f64(const double* x, const double* grad_y, double* grad_x, std::int64_t n) {
    math::transform(x, grad_y, grad_x, n, Gradient{});
  }
};

/// The C table of activation A, known to model files as `name`.
template <class A>
soma_activation activation_table(const char* name) {
  using F = ActivationFunctions<A>;
  const char* summary = name;
  if constexpr (requires {
                  { A::kSummary } -> std::convertible_to<const char*>;
                }) {
    summary = A::kSummary;
  }
  return {sizeof(soma_activation), SOMA_ABI_MAJOR,  SOMA_ABI_MINOR,  name, summary, &F::forward_f32,
          &F::backward_f32,        &F::forward_f64, &F::backward_f64};
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::sdk

/// Makes this library a plugin with one activation: "name" as model files say it, and its struct.
/// SOMA_PLUGIN_VERSION, a string, comes from soma_add_plugin.
#define SOMA_EXPORT_ACTIVATION(activation_name, Class)                   \
  SOMA_PLUGIN_TAGS()                                                     \
  SOMA_PLUGIN_ENTRY_FUNCTION(host, plugin, why) {                        \
    return ::soma::sdk::guarded(why, [&] {                               \
      static const soma_activation activation =                          \
          ::soma::sdk::activation_table<Class>(activation_name);         \
      static const soma_activation* const activations[] = {&activation}; \
      static const soma_plugin table = {sizeof(soma_plugin),             \
                                        SOMA_ABI_MAJOR,                  \
                                        SOMA_ABI_MINOR,                  \
                                        activation_name,                 \
                                        SOMA_PLUGIN_VERSION,             \
                                        nullptr,                         \
                                        activations,                     \
                                        0,                               \
                                        1};                              \
      *plugin = &table;                                                  \
    });                                                                  \
  }
