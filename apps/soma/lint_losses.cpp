#include <algorithm>

#include "lint.hpp"

using enum Finding::Severity;
using Kind = soma::Loss::Kind;

namespace {

/// The activation that makes the numbers of an output what they are, if one does.
std::string activation_of(const LintSubject& s, std::size_t i) {
  if (s.is(i, "softmax") || s.is(i, "log_softmax")) return std::string(s.layers[i].layer->type());
  if (s.is(i, "activation")) {
    const std::string function = s.text(i, "function");
    return function.empty() ? "relu" : function;
  }
  if (s.is_linear(i)) return s.text(i, "activation");
  const bool passes = s.is(i, "flatten") || s.is(i, "reshape") || s.is(i, "permute");
  const auto before = s.find(s.layers[i].inputs[0]);
  return passes && before ? activation_of(s, *before) : "";
}

void look_at_loss(const LintSubject& s, const soma::OutputLoss& on, std::size_t layer,
                  std::vector<Finding>& findings) {
  const std::string activation = activation_of(s, layer);
  const std::string& name = s.layers[layer].name;
  const std::string loss = name_of(on.loss);
  const bool classes = on.loss.kind == Kind::softmax_cross_entropy;
  if (classes && activation == "softmax") {
    findings.push_back({error, "softmax-before-loss", name,
                        loss + " takes logits and makes probabilities itself: of probabilities it "
                               "makes nearly equal ones, and gradients vanish",
                        "remove the softmax; predict and eval apply it themselves"});
  } else if (classes && activation == "log_softmax") {
    findings.push_back({info, "softmax-before-loss", name,
                        loss + " does the same once more: the same result for more work",
                        "remove the log_softmax"});
  } else if (on.loss.is_binary() && (activation == "sigmoid" || activation == "softmax")) {
    findings.push_back({error, "loss-output", name,
                        loss + " takes logits, whose sign decides: what " + activation +
                            " gives is never negative",
                        "remove the activation of the last layer"});
  } else if ((classes || on.loss.is_binary()) && rectifies(activation)) {
    findings.push_back({error, "loss-output", name,
                        activation + " before " + loss +
                            " takes away all logits below zero: "
                            "such units get no gradient any more",
                        "remove the activation of the last layer"});
  } else if (classes && saturates(activation)) {
    findings.push_back({warning, "loss-output", name,
                        activation + " before " + loss +
                            " keeps logits so close together that no "
                            "answer can be certain",
                        "remove the activation of the last layer"});
  }
  if (on.loss.kind == Kind::kl_divergence && activation != "log_softmax") {
    findings.push_back({error, "loss-output", name,
                        loss + " takes logarithms of probabilities, which this layer does not give",
                        "end the model with log_softmax"});
  }
  if (classes && s.layers[layer].output.back() == 1) {
    findings.push_back({error, "loss-output", name, loss + " over 1 class is always 0",
                        "give 2 outputs, or use binary_cross_entropy_with_logits"});
  }
}

}  // namespace

void lint_losses(const LintSubject& s, std::vector<Finding>& findings) {
  for (const soma::OutputLoss& on : s.model.losses()) {
    if (const auto layer = s.find(on.output)) look_at_loss(s, on, *layer, findings);
  }
}
