#include <soma/sdk/activation.hpp>

/// Gaussian bump, exp(-x^2): answers to inputs near 0, the basis of radial networks.
struct Gaussian {
  template <class T>
  static T f(T x) {
    const T near = max(min(x, T(30)), T(-30));  // beyond, the result is 0 and so is its slope
    return exp(-(near * near));
  }
};
SOMA_EXPORT_ACTIVATION("gaussian", Gaussian)
