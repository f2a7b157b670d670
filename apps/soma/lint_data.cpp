#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "lint.hpp"
#include "session.hpp"

using enum Finding::Severity;

namespace {

constexpr std::int64_t kLooked = 2000;  // samples that are looked at, spread over all
constexpr double kLargeInputs = 10, kSmallInputs = 0.01;  // root mean square
constexpr double kOffCentre = 5;                          // mean over deviation
constexpr double kUnevenColumns = 100;                    // largest deviation over smallest
constexpr double kManyParameters = 100, kTooManyParameters = 1000;  // per number to learn from
constexpr double kUneven = 4, kVeryUneven = 20;  // most over least frequent class

/// Running mean and spread of numbers.
struct Spread {
  double count = 0, mean = 0, squares = 0;
  void add(double x) {
    ++count;
    const double off = x - mean;
    mean += off / count;
    squares += off * (x - mean);
  }
  double deviation() const { return count > 0 ? std::sqrt(squares / count) : 0; }
  double size() const { return std::hypot(mean, deviation()); }
};

std::vector<std::int64_t> looked_at(std::int64_t size) {
  std::vector<std::int64_t> rows;
  const std::int64_t count = std::min(size, kLooked);
  for (std::int64_t i = 0; i < count; ++i) rows.push_back(i * size / count);
  return rows;
}

/// A first layer that makes any scale and offset its own.
bool normalises_first(const LintSubject& s, const std::string& input) {
  return std::ranges::all_of(s.layers, [&](const auto& layer) {
    const bool takes = std::ranges::find(layer.inputs, input) != layer.inputs.end();
    return !takes || s.is_norm(static_cast<std::size_t>(&layer - s.layers.data()));
  });
}

void look_at_inputs(const LintSubject& s, std::vector<Finding>& findings) {
  const soma::Dataset& train = s.data->train;
  const auto rows = looked_at(train.size());
  for (std::size_t c = 0; c < train.inputs().size(); ++c) {
    const soma::DataColumn& column = train.inputs()[c];
    const std::string& name = s.model.inputs()[c].name;
    if (column.type != soma::DType::f32 || normalises_first(s, name)) continue;
    const auto width = static_cast<std::size_t>(column.sample.elements());
    std::vector<Spread> of(width);
    Spread all;
    std::vector<float> sample(width);
    bool finite = true;
    for (const std::int64_t row : rows) {
      train.gather_input(c, {&row, 1}, reinterpret_cast<std::byte*>(sample.data()));
      for (std::size_t i = 0; i < width; ++i) {
        finite &= std::isfinite(sample[i]);
        of[i].add(sample[i]);
        all.add(sample[i]);
      }
    }
    const std::string cure = "bring them to mean 0 and deviation 1, or begin with batch_norm";
    if (!finite) {
      findings.push_back(
          {error, "non-finite-inputs", name, "some inputs are NaN or infinite", "clean the data"});
    } else if (all.size() > kLargeInputs || all.size() < kSmallInputs) {
      findings.push_back({warning, "unnormalised-inputs", name,
                          "inputs are of size " + short_number(all.size()) +
                              " (root mean square), where first weights are made for about 1",
                          cure});
    } else if (std::fabs(all.mean) > kOffCentre * all.deviation()) {
      findings.push_back({warning, "unnormalised-inputs", name,
                          "inputs have mean " + short_number(all.mean) + " and deviation " +
                              short_number(all.deviation()) +
                              ": what differs is small against "
                              "what is common",
                          cure});
    } else if (column.sample.rank() == 1) {
      double least = std::numeric_limits<double>::infinity(), most = 0;
      for (const Spread& one : of) {
        if (one.deviation() == 0) continue;
        least = std::min(least, one.deviation());
        most = std::max(most, one.deviation());
      }
      if (most > kUnevenColumns * least) {
        findings.push_back({warning, "unnormalised-inputs", name,
                            "columns differ in scale, deviations " + short_number(least) + " to " +
                                short_number(most) + ": no learning rate suits all of them",
                            cure});
      }
    }
  }
}

void look_at_classes(const LintSubject& s, std::vector<Finding>& findings) {
  const soma::Dataset& train = s.data->train;
  // Letters of a text are uneven by nature.
  if (!train.is_classification() || train.target_shape().rank() > 0) return;
  std::vector<std::int64_t> counts(static_cast<std::size_t>(train.classes()));
  std::vector<std::int32_t> label(1);
  for (std::int64_t row = 0; row < train.size(); ++row) {
    train.gather_labels({&row, 1}, label.data());
    if (label[0] >= 0) ++counts[static_cast<std::size_t>(label[0])];
  }
  const auto [least, most] = std::ranges::minmax_element(counts);
  const auto& names = train.class_names();
  const auto name_of = [&](auto it) {
    return names[static_cast<std::size_t>(it - counts.begin())];
  };
  if (*least == 0) {
    findings.push_back({warning, "missing-class", "",
                        "class '" + name_of(least) + "' has no training sample",
                        "stratify the split, or drop the class"});
    return;
  }
  const double ratio = static_cast<double>(*most) / static_cast<double>(*least);
  if (ratio < kUneven) return;
  const double majority =
      static_cast<double>(*most) / static_cast<double>(std::reduce(counts.begin(), counts.end()));
  findings.push_back({ratio >= kVeryUneven ? warning : info, "class-imbalance", "",
                      "class '" + name_of(most) + "' is " + short_number(ratio) +
                          " times as frequent as '" + name_of(least) +
                          "': always saying it is right in " + percent(majority) +
                          " of the samples",
                      "look at recall per class (soma eval); give the loss class_weights"});
}

void look_at_size(const LintSubject& s, std::vector<Finding>& findings) {
  const soma::Dataset& train = s.data->train;
  const double numbers =
      static_cast<double>(train.size()) *
      static_cast<double>(std::max<std::int64_t>(1, train.target_shape().elements()));
  const auto parameters = static_cast<double>(s.model.parameter_count());
  if (parameters > kManyParameters * numbers) {
    findings.push_back({parameters > kTooManyParameters * numbers ? warning : info,
                        "many-parameters", "",
                        grouped(s.model.parameter_count()) + " parameters learn from " +
                            grouped(train.size()) + " samples: they can be learned by heart",
                        "a smaller model, weight decay, dropout, --augment; watch the test loss"});
  }
  if (s.plan.batch > train.size()) {
    findings.push_back({info, "large-batch", "",
                        "the batch of " + std::to_string(s.plan.batch) + " is larger than the " +
                            std::to_string(train.size()) + " samples: one update per epoch",
                        "a smaller batch"});
  }
}

/// Numbers that an activation at the output cannot give.
void look_at_targets(const LintSubject& s, std::vector<Finding>& findings) {
  const soma::Dataset& train = s.data->train;
  const auto losses = s.model.losses();
  for (std::size_t t = 0; t < losses.size(); ++t) {
    const auto layer = s.find(losses[t].output);
    if (!layer || train.targets()[t].type != soma::DType::f32) continue;
    std::string activation = s.is_linear(*layer) ? s.text(*layer, "activation") : "";
    if (s.is(*layer, "activation")) {
      activation = s.text(*layer, "function").empty() ? "relu" : s.text(*layer, "function");
    }
    if (activation != "sigmoid" && activation != "tanh" && activation != "relu") continue;
    float low = std::numeric_limits<float>::infinity(), high = -low;
    std::vector<float> target(static_cast<std::size_t>(train.targets()[t].sample.elements()));
    for (const std::int64_t row : looked_at(train.size())) {
      train.gather_target(t, {&row, 1}, reinterpret_cast<std::byte*>(target.data()));
      for (const float x : target) {
        low = std::min(low, x);
        high = std::max(high, x);
      }
    }
    const double least = activation == "tanh" ? -1 : 0;
    const double most = activation == "relu" ? std::numeric_limits<double>::infinity() : 1;
    if (low >= least && high <= most) continue;
    findings.push_back({error, "loss-output", s.layers[*layer].name,
                        "targets go from " + short_number(low) + " to " + short_number(high) +
                            ", and " + activation + " never gives what is outside " +
                            short_number(least) + " to " + short_number(most),
                        "remove the activation of the last layer"});
  }
}

}  // namespace

void lint_data(const LintSubject& s, std::vector<Finding>& findings) {
  look_at_inputs(s, findings);
  look_at_targets(s, findings);
  look_at_classes(s, findings);
  look_at_size(s, findings);
}
