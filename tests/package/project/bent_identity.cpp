#include <soma/sdk/activation.hpp>

/// Bent identity, x + (sqrt(x^2 + 1) - 1) / 2.
struct BentIdentity {
  template <class T>
  static T f(T x) {
    return x + 0.5f * (sqrt(x * x + 1.0f) - 1.0f);
  }
};
SOMA_EXPORT_ACTIVATION("bent_identity", BentIdentity)
