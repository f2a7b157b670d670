#include <soma/sdk/activation.hpp>

/// Squareplus, (x + sqrt(x^2 + 4)) / 2: a softplus without exponentials.
/// Source: Barron, arXiv:2112.11687, with b = 4.
struct Squareplus {
  template <class T>
  static T f(T x) {
    const T size = abs(x);
    const T root = select(size < 1e9f, sqrt(x * x + 4), size);  // x^2 must not overflow
    return select(x < 0, 2 / (root - x), x + 2 / (root + x));   // without cancellation
  }
};
SOMA_EXPORT_ACTIVATION("squareplus", Squareplus)
