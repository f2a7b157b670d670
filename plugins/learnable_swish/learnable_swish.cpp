#include <soma/sdk/activation.hpp>

/// Swish with its slope learned, x * sigmoid(beta x). Source: Ramachandran et al.,
/// arXiv:1710.05941.
struct LearnableSwish {
  static constexpr soma_option kParameters[] = {soma::sdk::real("beta", 1)};
  template <class T>
  static T f(T x, T beta) {
    const T z = beta * x;  // beyond +-110 the sigmoid is 0 or 1, also where x is infinite
    return select(z < -110, T(0), select(z > 110, x, x * sigmoid(z)));
  }
};
SOMA_EXPORT_ACTIVATION("learnable_swish", LearnableSwish)
