#pragma once

#include "soma/sdk/math/scalar.hpp"

/// Dual numbers: a value and the derivative with respect to one chosen variable, carried through
/// every operation by the rules of calculus (forward-mode differentiation).
/// Source: Griewank & Walther, Evaluating Derivatives, 2nd ed., chapter 3.
namespace soma::math {
inline namespace SOMA_MATH_ISA {

/// value + derivative * eps with eps^2 = 0, over any number type T. f(Dual<T>::variable(x)) has
/// the value f(x) and the derivative f'(x). Comparisons look at the value alone. Constants have
/// derivative 0.
template <class T>
struct Dual : Arithmetic<Dual<T>> {
  T value;
  T derivative;

  Dual() = default;
  Dual(T v, T d) : value(v), derivative(d) {}
  Dual(T constant) : value(constant), derivative(0) {}
  template <Constant C>
  requires(!std::same_as<C, T>) Dual(C constant) : value(static_cast<T>(constant)), derivative(0) {}

  /// The variable to differentiate by, at x.
  static Dual variable(T x) { return {x, T(1)}; }

  friend Dual operator+(Dual a, Dual b) { return {a.value + b.value, a.derivative + b.derivative}; }
  friend Dual operator-(Dual a, Dual b) { return {a.value - b.value, a.derivative - b.derivative}; }
  friend Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, fma(a.derivative, b.value, a.value * b.derivative)};
  }
  friend Dual operator/(Dual a, Dual b) {
    const T quotient = a.value / b.value;
    return {quotient, fma(-quotient, b.derivative, a.derivative) / b.value};
  }
  friend Dual operator-(Dual a) { return {-a.value, -a.derivative}; }

  friend auto operator<(Dual a, Dual b) { return a.value < b.value; }
  friend auto operator<=(Dual a, Dual b) { return a.value <= b.value; }
  friend auto operator==(Dual a, Dual b) { return a.value == b.value; }

  template <class Mask>
  friend Dual select(Mask m, Dual a, Dual b) {
    return {select(m, a.value, b.value), select(m, a.derivative, b.derivative)};
  }
  friend Dual fma(Dual a, Dual b, Dual c) {
    return {fma(a.value, b.value, c.value),
            fma(a.derivative, b.value, fma(a.value, b.derivative, c.derivative))};
  }
  /// The derivative at 0 is taken as 0.
  friend Dual abs(Dual a) {
    const T zero(0);
    return {abs(a.value),
            select(a.value < zero, -a.derivative, select(a.value == zero, zero, a.derivative))};
  }
  friend Dual sqrt(Dual a) {
    const T root = sqrt(a.value);
    return {root, a.derivative / (root + root)};
  }
  /// A step function: its derivative is 0 wherever it has one.
  friend Dual round_to_nearest_even(Dual a) { return round_to_nearest_even(a.value); }
};

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
