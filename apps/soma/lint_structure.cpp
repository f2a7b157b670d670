#include <algorithm>
#include <cmath>

#include "lint.hpp"

using enum Finding::Severity;

namespace {

constexpr int kDeepSigmoid = 4, kDeepTanh = 8;  // layers in a row
constexpr int kDeepPlain = 20;                  // layers with weights and no way around them
constexpr double kHeavyDropout = 0.8;

/// Layers in a row whose activations are flat on both sides, nothing between them that keeps
/// gradients up: a normalisation or a skip connection.
void find_saturating_stacks(const LintSubject& s, std::vector<Finding>& findings) {
  std::vector<int> length(s.layers.size());
  std::vector<double> slope(s.layers.size(), 1);
  std::size_t worst = 0;
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    if (s.is_norm(i) || s.is(i, "add")) continue;
    for (const std::string& input : s.layers[i].inputs) {
      const auto from = s.find(input);
      if (!from || length[*from] < length[i]) continue;
      length[i] = length[*from];
      slope[i] = slope[*from];
    }
    if (!s.is_linear(i)) continue;
    const LintSubject::After after = s.after(i);
    if (!saturates(after.activation) || after.normalised) {
      length[i] = 0;
      slope[i] = 1;
      continue;
    }
    ++length[i];
    slope[i] *= after.activation == "tanh" ? 1 : 0.25;
    const auto badness = [&](std::size_t layer) {
      return length[layer] / (slope[layer] < 1 ? double{kDeepSigmoid} : double{kDeepTanh});
    };
    if (length[worst] == 0 || badness(i) > badness(worst)) worst = i;
  }
  if (s.layers.empty() || length[worst] < (slope[worst] < 1 ? kDeepSigmoid : kDeepTanh)) return;
  std::string why = std::to_string(length[worst]) + " layers with saturating activations in a row";
  why += slope[worst] < 1
             ? ": their slopes alone shrink a gradient to " + short_number(slope[worst]) +
                   " of itself or less, so the first "
                   "layers hardly learn"
             : ": gradients shrink wherever units saturate, so the first layers learn "
               "slowly";
  findings.push_back({warning, "deep-saturating-stack", s.layers[worst].name, why,
                      "use relu or gelu with he_normal, or put batch_norm or skip connections "
                      "between them"});
}

void find_unused_layers(const LintSubject& s, std::vector<Finding>& findings) {
  std::vector<bool> used(s.layers.size()), given(s.layers.size());
  for (const auto& output : s.model.outputs()) {
    if (const auto i = s.find(output.name)) given[*i] = true;
  }
  for (std::size_t i = s.layers.size(); i-- > 0;) {
    used[i] =
        s.is_output(i) || std::ranges::any_of(s.consumers(i), [&](auto c) { return used[c]; });
    if (used[i]) continue;
    if (given[i]) {
      findings.push_back({warning, "output-without-loss", s.layers[i].name,
                          "no loss is on this output, so nothing that only it depends on learns",
                          "put a loss on it, or take it out of the outputs"});
    } else if (s.consumers(i).empty()) {
      findings.push_back({warning, "unused-layer", s.layers[i].name,
                          "nothing takes what this layer gives, so it costs time and never learns",
                          "remove it, or name it among the inputs of a layer"});
    }
  }
}

void find_missing_skips(const LintSubject& s, std::vector<Finding>& findings) {
  std::vector<int> depth(s.layers.size());
  std::size_t deepest = 0;
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    if (s.is(i, "add") || s.is(i, "concat")) continue;  // a way around what is before
    for (const std::string& input : s.layers[i].inputs) {
      if (const auto from = s.find(input)) depth[i] = std::max(depth[i], depth[*from]);
    }
    depth[i] += s.is_linear(i);
    if (depth[i] > depth[deepest]) deepest = i;
  }
  if (s.layers.empty() || depth[deepest] < kDeepPlain) return;
  findings.push_back({warning, "no-skip-connections", s.layers[deepest].name,
                      std::to_string(depth[deepest]) +
                          " layers with weights in a row and no skip connection: so deep a plain "
                          "net trains worse than a shallower one",
                      "add the input of every two or three layers back to their output (add)"});
}

void look_at_dropout(const LintSubject& s, std::size_t i, std::vector<Finding>& findings) {
  const std::string& name = s.layers[i].name;
  if (s.real(i, "rate", 0.5) >= kHeavyDropout) {
    findings.push_back({warning, "heavy-dropout", name,
                        "dropout of rate " + short_number(s.real(i, "rate", 0.5)) +
                            " leaves so little of each sample that training underfits",
                        "use 0.1 to 0.5"});
  }
  if (s.is_output(i)) {
    findings.push_back({error, "dropout-at-output", name,
                        "dropout behind the last layer sets answers themselves to zero",
                        "put it before the last layer with weights"});
    return;
  }
  for (const std::size_t next : s.consumers(i)) {
    const auto loss = s.model.loss().kind;
    using Kind = soma::Loss::Kind;
    const bool numbers = loss == Kind::mean_squared_error || loss == Kind::mean_absolute_error ||
                         loss == Kind::huber;
    if (numbers && s.is_output(next)) {
      findings.push_back({warning, "dropout-at-output", name,
                          "dropout right before a layer that gives numbers: their scale in "
                          "training is not that in prediction",
                          "move it before an earlier layer, or use weight decay"});
    }
    if (s.is(next, "batch_norm")) {
      findings.push_back({warning, "dropout-before-norm", name,
                          "batch_norm behind dropout keeps a variance that prediction, without "
                          "dropout, does not have",
                          "put dropout behind the last batch_norm"});
    }
  }
}

void look_at_batch_norm(const LintSubject& s, std::size_t i, std::vector<Finding>& findings) {
  const soma::Shape& sample = s.layers[i].output;
  const bool one_number = sample.elements() == sample.back();
  const auto single = [&](const std::string& when) {
    findings.push_back({one_number ? error : warning, "batch-norm-single", s.layers[i].name,
                        one_number ? "batch_norm over " + when +
                                         " sees one number per channel: its output is "
                                         "beta, whatever comes in"
                                   : "batch_norm over " + when +
                                         " has statistics of one sample, which prediction "
                                         "does not share",
                        "use a larger batch, or layer_norm or group_norm"});
  };
  if (s.plan.batch == 1) {
    single("a batch of 1");
  } else if (one_number && s.data != nullptr && s.data->train.size() % s.plan.batch == 1) {
    findings.push_back({warning, "batch-norm-single", s.layers[i].name,
                        "the last batch of an epoch has 1 sample (" +
                            std::to_string(s.data->train.size()) + " in batches of " +
                            std::to_string(s.plan.batch) + "), of which batch_norm makes beta",
                        "use another batch size"});
  }
  const auto before = s.find(s.layers[i].inputs[0]);
  if (before && s.is_linear(*before) &&
      s.layers[*before].layer->attributes().integer("bias", 1) != 0 &&
      s.text(*before, "activation").empty()) {
    findings.push_back({info, "bias-before-norm", s.layers[*before].name,
                        "the bias does nothing: batch_norm behind it takes the mean away",
                        "\"bias\": false"});
  }
}

}  // namespace

void lint_structure(const LintSubject& s, std::vector<Finding>& findings) {
  find_saturating_stacks(s, findings);
  find_unused_layers(s, findings);
  find_missing_skips(s, findings);
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    if (s.is(i, "dropout")) look_at_dropout(s, i, findings);
    if (s.is(i, "batch_norm")) look_at_batch_norm(s, i, findings);
  }
}
