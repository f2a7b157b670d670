#include <soma/sdk/activation.hpp>

/// Snake, x + sin^2(x): a trend with a period. Source: Ziyin et al., arXiv:2006.08195, with a = 1.
struct Snake {
  template <class T>
  static T f(T x) {
    const T s = sin(x);
    return x + s * s;  // the derivative, 1 + sin(2x), follows from T = dual
  }
};
SOMA_EXPORT_ACTIVATION("snake", Snake)
