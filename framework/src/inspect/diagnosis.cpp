#include "soma/diagnosis.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace soma {
namespace {

constexpr std::int64_t kFewUnits = 4;  // of fewer, a share says nothing

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.0f %%", 100 * share);
  return text;
}

std::string brief(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2g", value);
  return text;
}

Cure cure(const char* name) {
  constexpr struct {
    const char *name, *what;
  } kCures[] = {
      {"leaky_relu", "leaky ReLU instead: a slope of 0.01 where ReLU has none"},
      {"prelu", "PReLU instead: that slope is learned, one for each unit"},
      {"elu", "ELU instead: bends towards -1, so that gradients pass on the negative side"},
      {"gelu", "GELU instead: smooth, with a slope below zero"},
      {"relu", "ReLU instead, whose slope is 1 wherever a unit fires, and He's initialisation"},
      {"lower-lr", "a tenth of the learning rate"},
      {"he-init", "He's initialisation: weights from N(0, 2 / fan_in), which keeps the variance"},
      {"clip-norm", "all gradients of a step scaled down together to a norm of 1"},
      {"batch-norm", "batch normalisation in front of the activation, which centres what it gets"},
      {"residual", "skip connections around the layers of one width"},
      {"dropout", "dropout behind the layer: units cannot rely on a twin"},
  };
  const auto* found =
      std::ranges::find_if(kCures, [&](const auto& c) { return std::string_view(c.name) == name; });
  return {found->name, found->what};
}

std::vector<Cure> cures(std::initializer_list<const char*> names) {
  std::vector<Cure> list;
  for (const char* name : names) list.push_back(cure(name));
  return list;
}

bool shuts(const std::string& activation) {
  return activation == "relu" || activation == "relu6" || activation == "hard_swish";
}

Alarm dead_alarm(const LayerSigns& s, const AlarmLimits& limits) {
  const bool off = shuts(s.activation);
  return {Alarm::Kind::dead,
          s.layer,
          *s.dead,
          limits.dead,
          percent(*s.dead) + " of its " + std::to_string(s.units) +
              " units never fire (alarm above " + percent(limits.dead) + ")",
          off ? "their weighted sums are below zero for every sample, where " + s.activation +
                    " is flat: no gradient reaches their weights, so they will not come back. A "
                    "large step or a low bias throws them there"
              : "their output is zero for every sample: weights of zero, or a layer before that "
                "says nothing",
          off ? cures({"leaky_relu", "prelu", "elu", "gelu", "lower-lr", "he-init"})
              : cures({"he-init", "lower-lr"})};
}

Alarm saturated_alarm(const LayerSigns& s, const AlarmLimits& limits) {
  return {Alarm::Kind::saturated,
          s.layer,
          *s.saturated,
          limits.saturated,
          percent(*s.saturated) + " of its " + std::to_string(s.units) +
              " units stand at the ends of " + s.activation + " nearly all the time (alarm above " +
              percent(limits.saturated) + ")",
          "weights or inputs are so large that the weighted sums lie where " + s.activation +
              " is flat: what comes back through it is multiplied by almost nothing",
          cures({"he-init", "batch-norm", "relu", "gelu", "lower-lr"})};
}

Alarm duplicate_alarm(const LayerSigns& s, const AlarmLimits& limits) {
  return {Alarm::Kind::duplicates,
          s.layer,
          *s.duplicates,
          limits.duplicates,
          percent(*s.duplicates) + " of its " + std::to_string(s.units) +
              " units say what an earlier unit says (alarm above " + percent(limits.duplicates) +
              ")",
          "units that start alike and get the same gradients stay alike: the initialisation does "
          "not tell them apart, or there are more units than the task has use for",
          cures({"he-init", "dropout"})};
}

Alarm update_alarm(const LayerSigns& s, const AlarmLimits& limits) {
  return {Alarm::Kind::large_update,
          s.layer,
          *s.update,
          limits.update,
          "one update changes its weights by " + percent(*s.update) +
              " of their size (alarm above " + percent(limits.update) + "; 0.1 % is usual)",
          "the learning rate is too high for these gradients: what was learned is thrown away by "
          "each step",
          cures({"lower-lr", "clip-norm"})};
}

Alarm finite_alarm(const LayerSigns& s) {
  return {Alarm::Kind::not_finite,
          s.layer,
          static_cast<double>(s.not_finite),
          0,
          std::to_string(s.not_finite) + " of its numbers are NaN or infinite (alarm above 0)",
          "weights or inputs are not finite, or so large that float32 overflows",
          cures({"lower-lr", "clip-norm", "he-init"})};
}

/// Layers with a gradient, against that of the last of them.
class Flow {
 public:
  explicit Flow(std::span<const LayerSigns> layers) {
    for (const LayerSigns& s : layers) {
      if (s.gradient && std::isfinite(*s.gradient)) layers_.push_back(&s);
    }
  }
  void judge(const AlarmLimits& limits, std::vector<Alarm>& alarms) const {
    if (layers_.size() < 2 || *layers_.back()->gradient <= 0) return;
    const LayerSigns *least = nullptr, *most = nullptr;
    for (const LayerSigns* s : layers_) {
      if (least == nullptr || *s->gradient < *least->gradient) least = s;
      if (most == nullptr || *s->gradient > *most->gradient) most = s;
    }
    if (ratio(least) < limits.vanishing) alarms.push_back(vanishing(*least, limits));
    if (ratio(most) > limits.exploding) alarms.push_back(exploding(*most, limits));
  }

 private:
  double ratio(const LayerSigns* s) const { return *s->gradient / *layers_.back()->gradient; }

  /// "; the steepest step is from h7 to h6, by 0.12"
  std::string steepest(bool down) const {
    std::size_t at = 1;
    const auto step = [&](std::size_t i) {
      return *layers_[i]->gradient > 0 ? *layers_[i - 1]->gradient / *layers_[i]->gradient : 1.0;
    };
    for (std::size_t i = 1; i < layers_.size(); ++i) {
      if (down ? step(i) < step(at) : step(i) > step(at)) at = i;
    }
    return "; the steepest step back is from " + layers_[at]->layer + " to " +
           layers_[at - 1]->layer + ", times " + brief(step(at));
  }

  std::string found(const LayerSigns& s, const char* side, double limit) const {
    return "the gradient at its output is " + brief(ratio(&s)) + " times that at " +
           layers_.back()->layer + " (alarm " + side + " " + brief(limit) + ")";
  }

  Alarm vanishing(const LayerSigns& s, const AlarmLimits& limits) const {
    const bool flat = std::ranges::any_of(
        layers_, [](const LayerSigns* l) { return bounds_of(l->activation).has_value(); });
    return {
        Alarm::Kind::vanishing,
        s.layer,
        ratio(&s),
        limits.vanishing,
        found(s, "below", limits.vanishing),
        (flat ? std::string("each layer multiplies what comes back by its weights and by a slope "
                            "that is a quarter at most for sigmoid and below 1 for tanh")
              : std::string(
                    "each layer multiplies what comes back by weights that are too small, or by "
                    "the zeros of units that do not fire")) +
            steepest(true),
        flat ? cures({"relu", "gelu", "he-init", "batch-norm", "residual"})
             : cures({"he-init", "residual", "leaky_relu", "batch-norm"})};
  }

  Alarm exploding(const LayerSigns& s, const AlarmLimits& limits) const {
    return {Alarm::Kind::exploding,
            s.layer,
            ratio(&s),
            limits.exploding,
            found(s, "above", limits.exploding),
            "each layer multiplies what comes back by weights that are too large" + steepest(false),
            cures({"he-init", "clip-norm", "batch-norm", "lower-lr"})};
  }

  std::vector<const LayerSigns*> layers_;
};

}  // namespace

std::string_view name_of(Alarm::Kind kind) {
  constexpr std::string_view kNames[] = {
      "not-finite",      "dead-units",      "exploding-gradient", "vanishing-gradient",
      "saturated-units", "duplicate-units", "large-updates"};
  return kNames[static_cast<std::size_t>(kind)];
}

std::optional<Bounds> bounds_of(std::string_view activation) {
  if (activation == "sigmoid" || activation == "hard_sigmoid") return Bounds{0, 1};
  if (activation == "tanh" || activation == "softsign") return Bounds{-1, 1};
  return std::nullopt;
}

std::vector<Alarm> diagnose(std::span<const LayerSigns> layers, const AlarmLimits& limits) {
  std::vector<Alarm> alarms;
  bool finite = true;
  for (const LayerSigns& s : layers) {
    const bool many = s.units >= kFewUnits;
    if (finite && s.not_finite > 0) alarms.push_back(finite_alarm(s));
    finite = finite && s.not_finite == 0;
    if (many && s.dead.value_or(0) > limits.dead && (!s.is_output || shuts(s.activation))) {
      alarms.push_back(dead_alarm(s, limits));
    }
    if (many && !s.is_output && s.saturated.value_or(0) > limits.saturated) {
      alarms.push_back(saturated_alarm(s, limits));
    }
    if (many && !s.is_output && s.duplicates.value_or(0) > limits.duplicates) {
      alarms.push_back(duplicate_alarm(s, limits));
    }
    if (s.update.value_or(0) > limits.update) alarms.push_back(update_alarm(s, limits));
  }
  Flow(layers).judge(limits, alarms);
  std::ranges::stable_sort(alarms, {}, &Alarm::kind);
  return alarms;
}

}  // namespace soma
