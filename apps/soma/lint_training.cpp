#include <algorithm>

#include "lint.hpp"

using enum Finding::Severity;

namespace {

/// Learning rates between which training usually works, per optimizer. A rate beyond ten times the
/// upper one is an error.
constexpr struct {
  const char* optimizer;
  double low, high;
} kRates[] = {{"sgd", 1e-4, 0.5},      {"momentum", 1e-5, 0.2}, {"adagrad", 1e-4, 0.5},
              {"rmsprop", 1e-6, 0.01}, {"adadelta", 1e-2, 10},  {"adam", 1e-6, 0.02},
              {"adamw", 1e-6, 0.02},   {"nadam", 1e-6, 0.02},   {"lion", 1e-7, 0.003}};
constexpr double kHopeless = 10;
constexpr std::int64_t kLongSequence = 32;

void look_at_rate(const LintSubject& s, std::vector<Finding>& findings) {
  const TrainingPlan& plan = s.plan;
  const auto rate =
      std::ranges::find(kRates, plan.optimizer, &std::decay_t<decltype(*kRates)>::optimizer);
  if (rate == std::end(kRates)) return;
  const std::string named =
      plan.optimizer + " with learning rate " + short_number(plan.learning_rate);
  const std::string range = short_number(rate->low) + " to " + short_number(rate->high);
  if (plan.learning_rate == 0) {
    findings.push_back({error, "learning-rate", "", named + " changes nothing", "use " + range});
  } else if (plan.learning_rate > rate->high) {
    findings.push_back({plan.learning_rate > kHopeless * rate->high ? error : warning,
                        "learning-rate", "", named + " is likely to diverge",
                        "use " + range + ", or a warm-up (--schedule)"});
  } else if (plan.learning_rate < rate->low) {
    findings.push_back(
        {warning, "learning-rate", "", named + " hardly moves the weights", "use " + range});
  }
  // Large updates push rectified units below zero for good, long before the loss explodes.
  std::vector<std::string> rectified;
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    const auto after = s.after(i);
    if (s.is_linear(i) && rectifies(after.activation) && !after.normalised) {
      rectified.push_back(s.layers[i].name);
    }
  }
  if (rectified.size() >= 2 && plan.learning_rate > rate->high / 2 && !plan.clips) {
    findings.push_back({warning, "dead-relu", rectified[0],
                        named + " may drive units of " + std::to_string(rectified.size()) +
                            " rectified layers below zero for good",
                        "lower the rate, clip gradients (--clip-norm 1), add batch_norm, or use "
                        "leaky_relu"});
  }
}

}  // namespace

void lint_training(const LintSubject& s, std::vector<Finding>& findings) {
  look_at_rate(s, findings);
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    const soma::Shape& sample = s.layers[i].output;
    if (s.is(i, "rnn") && !s.plan.clips && sample.rank() == 2 && sample[0] > kLongSequence) {
      findings.push_back({info, "recurrent-without-clipping", s.layers[i].name,
                          "a plain recurrent layer over " + std::to_string(sample[0]) +
                              " steps: its gradients may explode",
                          "--clip-norm 1, or lstm or gru"});
    }
  }
}
