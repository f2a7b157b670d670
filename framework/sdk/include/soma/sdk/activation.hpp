#pragma once

#include <cstdint>
#include <utility>

#include "soma/abi.h"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/options.hpp"
#include "soma/sdk/wide.hpp"

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
///
/// Learnable numbers, one set for each place where the activation is used, are listed with the
/// values they start from, and f takes them behind x:
///
///   struct Swish {
///     static constexpr soma_option kParameters[] = {soma::sdk::real("beta", 1)};
///     template <class T>
///     static T f(T x, T beta) {
///       return x * sigmoid(beta * x);
///     }
///   };
///
/// Their derivatives follow from dual numbers too. A layer's are called "LAYER.ACTIVATION.beta".

namespace soma::sdk {
// The functions below contain code of the canonical functions; see math/isa.hpp.
inline namespace SOMA_MATH_ISA {

/// The functions of the C table for activation A, over elements of `Float`. Element by element: any
/// split of a range gives the same bits. y may be x; grad_x may be grad_y.
template <class A, class Float>
struct ActivationFunctions {
  static void forward(const Float* x, Float* y, std::int64_t n) {
    math::transform(x, y, n, [](auto v) { return A::f(v); });
  }
  static void backward(const Float* x, const Float* grad_y, Float* grad_x, std::int64_t n) {
    math::transform(x, grad_y, grad_x, n, [](auto v, auto g) {
      return A::f(math::Dual<decltype(v)>::variable(v)).derivative * g;
    });
  }
};

/// The same with learnable numbers p[0..N), N = the length of A::kParameters.
template <class A, class Float>
struct ParametricFunctions {
  static constexpr std::size_t kCount = std::size(A::kParameters);

  static void forward(const Float* p, const Float* x, Float* y, std::int64_t n) {
    math::transform(x, y, n, [p](auto v) {
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return A::f(v, decltype(v)(p[I])...);
      }
      (std::make_index_sequence<kCount>());
    });
  }
  static void backward(const Float* p, const Float* x, const Float* grad_y, Float* grad_x,
                       std::int64_t n) {
    slope(p, -1, x, grad_y, grad_x, n);
  }
  static void terms(const Float* p, std::int32_t k, const Float* x, const Float* grad_y,
                    Float* terms, std::int64_t n) {
    slope(p, k, x, grad_y, terms, n);
  }

 private:
  /// grad_y times the derivative by p[k], or by x for k = -1.
  static void slope(const Float* p, std::int32_t k, const Float* x, const Float* grad_y, Float* to,
                    std::int64_t n) {
    math::transform(x, grad_y, to, n, [p, k](auto v, auto g) {
      using T = decltype(v);
      using D = math::Dual<T>;
      const auto seed = [k](int i) { return T(k == i ? 1 : 0); };
      return [&]<std::size_t... I>(std::index_sequence<I...>) {
        return A::f(D(v, seed(-1)), D(T(p[I]), seed(static_cast<int>(I)))...).derivative * g;
      }
      (std::make_index_sequence<kCount>());
    });
  }
};

/// The C table of activation A, known to model files as `name`.
template <class A>
const soma_activation& activation_table(const char* name) {
  static const soma_activation table = [name] {
    soma_activation t{sizeof(soma_activation), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, name,
                      summary_of<A>(name)};
    if constexpr (requires { A::kParameters; }) {
      using F = ParametricFunctions<A, float>;
      using D = ParametricFunctions<A, double>;
      t.parameters = A::kParameters;
      t.parameter_count = static_cast<std::int32_t>(F::kCount);
      t.forward_with_f32 = &F::forward;
      t.backward_with_f32 = &F::backward;
      t.terms_f32 = &F::terms;
      t.forward_with_f64 = &D::forward;
      t.backward_with_f64 = &D::backward;
      t.terms_f64 = &D::terms;
    } else {
      t.forward_f32 = &ActivationFunctions<A, float>::forward;
      t.backward_f32 = &ActivationFunctions<A, float>::backward;
      t.forward_f64 = &ActivationFunctions<A, double>::forward;
      t.backward_f64 = &ActivationFunctions<A, double>::backward;
    }
    return t;
  }();
  return table;
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::sdk

/// Makes this library a plugin with one activation: "name" as model files say it, and its struct.
#define SOMA_EXPORT_ACTIVATION(name, Class) \
  SOMA_EXPORT_WIDE(::soma::sdk::activation_table<Class>(name))
