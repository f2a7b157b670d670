#include <soma/sdk/loss.hpp>

/// Focal loss on classes, -(1 - p)^gamma log(p) with p the softmax of the target class: items that
/// are already right count less. gamma = 0 is cross-entropy. Source: Lin et al., arXiv:1708.02002.
struct Focal {
  static constexpr soma_option kOptions[] = {soma::sdk::real("gamma", 2, 0, 100)};
  explicit Focal(const soma::sdk::Options& o) : gamma(o.real("gamma")) {}

  template <class T>
  T value(std::span<const T> logits, std::int32_t target) const {
    const T log_p = soma::sdk::log_probability(logits, target);
    return -weight(-expm1(log_p)) * log_p;
  }

  template <class T>
  void gradient(std::span<const T> logits, std::int32_t target, T scale, std::span<T> to) const {
    soma::sdk::log_softmax(logits, to);
    const T log_p = to[static_cast<std::size_t>(target)], p = exp(log_p), q = -expm1(log_p);
    // d loss / d log(p); log(p) / q is -1 where p is 1
    const T slope = weight(q) * (p * gamma * select(q == 0, T(-1), log_p / q) - 1) * scale;
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = slope * ((static_cast<std::int32_t>(i) == target ? T(1) : T(0)) - exp(to[i]));
    }
  }

 private:
  /// q^gamma
  template <class T>
  T weight(T q) const {
    return gamma == 0 ? T(1) : select(q == 0, T(0), exp(gamma * log(q)));
  }
  double gamma;
};
SOMA_EXPORT_LOSS("focal", Focal)
