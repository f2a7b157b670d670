#include <soma/sdk/optimizer.hpp>

/// Sophia: momentum over a running estimate of the curvature, no step longer than the learning
/// rate. The estimate is that of Gauss-Newton-Bartlett with the labels of the data in place of
/// sampled ones, batch * gradient^2, renewed every `every` updates; weight decay is decoupled.
/// Source: Liu et al., arXiv:2305.14342, algorithm 3.
struct Sophia {
  static constexpr double kLearningRate = 1e-3;
  static constexpr soma_option kOptions[] = {
      soma::sdk::real("beta1", 0.96, 0, 1),        soma::sdk::real("beta2", 0.99, 0, 1),
      soma::sdk::real("gamma", 0.05, 1e-12, 1e12), soma::sdk::real("epsilon", 1e-12, 1e-30, 1),
      soma::sdk::real("weight_decay", 0, 0, 1e12), soma::sdk::integer("batch", 32, 1, 1e9),
      soma::sdk::integer("every", 10, 1, 1e9)};
  static constexpr const char* kSlots[] = {"momentum", "curvature"};

  static auto scalars(const soma::sdk::Options& o, std::int64_t step, double learning_rate) {
    const bool renew = (step - 1) % o.integer("every") == 0;
    const double keep = renew ? o.real("beta2") : 1;  // and the share of a new estimate
    return std::array{learning_rate,
                      o.real("beta1"),
                      1 - o.real("beta1"),
                      keep,
                      (1 - keep) * static_cast<double>(o.integer("batch")),
                      o.real("gamma"),
                      o.real("epsilon"),
                      learning_rate * o.real("weight_decay")};
  }
  template <class T>
  static void step(T& w, T g, std::array<T, 2>& slot, const std::array<T, 8>& s) {
    auto& [m, h] = slot;
    m = s[1] * m + s[2] * g;
    h = s[3] * h + s[4] * (g * g);
    const T size = m / max(s[5] * h, s[6]);
    w = (w - s[7] * w) - s[0] * max(min(size, T(1)), T(-1));
  }
};
SOMA_EXPORT_OPTIMIZER("sophia", Sophia)
