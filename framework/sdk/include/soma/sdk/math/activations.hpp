#pragma once

#include "soma/sdk/math/gates.hpp"

/// The activations as types, each function stated once: f(x) is the value, derivative(x) the
/// derivative, from x and not from a rounded value. T is F32, F32x8, F32x16 or F64. Parameters are
/// float32 numbers, also where T is F64; those of a default-constructed type belong to the name
/// that model files use (ops::kNamedActivations). What is not said follows from the formula; NaN in
/// is NaN out of f. Corners are stated in soma/sdk/ops/activation.hpp.
///
/// A type with kGated has a derivative that is 0 on purpose on whole ranges; there the gradient is
/// +0 whatever flows back. A type with gradient(x, grad_y) avoids an overflow of the derivative
/// that the product would not have. Ask activation_gradient, which knows both.
namespace soma::math {
inline namespace SOMA_MATH_ISA {

/// The pair (name, name_derivative) of functions.hpp or gates.hpp.
#define SOMA_MATH_ACTIVATION(Type, name)       \
  struct Type {                                \
    template <class T>                         \
    SOMA_MATH_INLINE T f(T x) const {          \
      return name(x);                          \
    }                                          \
    template <class T>                         \
    SOMA_MATH_INLINE T derivative(T x) const { \
      return name##_derivative(x);             \
    }                                          \
  }
SOMA_MATH_ACTIVATION(Sigmoid, sigmoid);
SOMA_MATH_ACTIVATION(Tanh, tanh);
SOMA_MATH_ACTIVATION(Silu, silu);
SOMA_MATH_ACTIVATION(Gelu, gelu);
SOMA_MATH_ACTIVATION(GeluTanh, gelu_tanh);
SOMA_MATH_ACTIVATION(Mish, mish);
#undef SOMA_MATH_ACTIVATION

struct Relu {
  static constexpr bool kGated = true;
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return relu(x);
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return relu_derivative(x);
  }
};

/// x above 0, else alpha x.
struct LeakyRelu {
  float alpha = 0.01f;
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return select(T(0) < x, x, T(alpha) * x);
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return select(T(0) < x, T(1), T(alpha));
  }
};

/// x above 0, else alpha (e^x - 1). Source: Clevert et al., arXiv:1511.07289.
struct Elu {
  float alpha = 1;
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return select(T(0) < x, x, T(alpha) * expm1(x));
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return select(T(0) < x, T(1), T(alpha) * exp(x));
  }
};

/// scale x above 0, else scale alpha (e^x - 1). Source of the constants: Klambauer et al.,
/// arXiv:1706.02515.
struct Selu {
  static constexpr double kScale = 1.0507009873554805, kScaleAlpha = 1.7580993408473766;
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return select(T(0) < x, T(kScale) * x, T(kScaleAlpha) * expm1(x));
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return select(T(0) < x, T(kScale), T(kScaleAlpha) * exp(x));
  }
};

struct Softplus {
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return softplus(x);
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return sigmoid(x);
  }
};

/// x / (1 + |x|).
struct Softsign {
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    const T a = abs(x);
    const auto far = T(0x1p60f) < a;  // also where the quotient of infinities would be NaN
    return select(far, copysign(T(1), x), x / (T(1) + a));
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    const T d = T(1) / (T(1) + abs(x));
    return d * d;
  }
};

/// alpha x + beta, rounded once, kept within [0, 1].
struct HardSigmoid {
  static constexpr bool kGated = true;
  float alpha = 1.0f / 6, beta = 0.5f;

  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    const T y = fma(T(alpha), x, T(beta));
    return select(y < T(0), T(0), select(T(1) < y, T(1), y));
  }
  /// The ends of the slope in x are rounded to float32, so that all number types agree on them.
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    const auto low = static_cast<float>(-static_cast<double>(beta) / alpha);
    const auto high = static_cast<float>((1 - static_cast<double>(beta)) / alpha);
    return select(T(low) < x && x < T(high), T(alpha), T(0));
  }
};

/// x times x / 6 + 1/2 kept within [0, 1]. Source: Howard et al., arXiv:1905.02244.
struct HardSwish {
  static constexpr bool kGated = true;
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    const T inside = x * ((x + T(3)) * T(1.0 / 6));
    return select(x <= T(-3), T(-0.0f), select(T(3) <= x, x, inside));
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    const T inside = (x + T(1.5f)) * T(1.0 / 3);
    return select(x <= T(-3), T(0), select(T(3) <= x, T(1), inside));
  }
};

/// 1 from 0 on, else 0.
struct Step {
  static constexpr bool kGated = true;
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return select(T(0) <= x, T(1), select(x < T(0), T(0), x));
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T) const {
    return T(0);
  }
};

struct Exp {
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return exp(x);
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return exp(x);
  }
};

struct Log {
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return log(x);
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return T(1) / x;
  }
  template <class T>
  SOMA_MATH_INLINE T gradient(T x, T grad_y) const {
    return grad_y / x;
  }
};

struct Abs {
  static constexpr bool kGated = true;
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return abs(x);
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return select(x < T(0), T(-1), select(T(0) < x, T(1), T(0)));
  }
};

struct Sqrt {
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return sqrt(x);
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return T(0.5f) / sqrt(x);
  }
  template <class T>
  SOMA_MATH_INLINE T gradient(T x, T grad_y) const {
    const T root = sqrt(x);
    return grad_y / (root + root);
  }
};

struct Square {
  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return x * x;
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return x + x;
  }
  template <class T>
  SOMA_MATH_INLINE T gradient(T x, T grad_y) const {
    const T half = x * grad_y;
    return half + half;
  }
};

/// x kept within [low, high].
struct Clip {
  static constexpr bool kGated = true;
  float low = -detail::kInfinity, high = detail::kInfinity;

  template <class T>
  SOMA_MATH_INLINE T f(T x) const {
    return select(x < T(low), T(low), select(T(high) < x, T(high), x));
  }
  template <class T>
  SOMA_MATH_INLINE T derivative(T x) const {
    return select(T(low) < x && x < T(high), T(1), T(0));
  }
};

/// grad_x = f'(x) grad_y of activation `function`.
template <class Function, class T>
SOMA_MATH_INLINE T activation_gradient(const Function& function, T x, T grad_y) {
  if constexpr (requires { function.gradient(x, grad_y); }) {
    return function.gradient(x, grad_y);
  } else if constexpr (requires { Function::kGated; }) {
    const T slope = function.derivative(x);
    return select(slope == T(0), T(0), slope * grad_y);
  } else {
    return function.derivative(x) * grad_y;
  }
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
