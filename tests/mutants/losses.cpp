// Losses: what is averaged over what, and which targets count.
#include <algorithm>
#include <cmath>
#include <limits>

#include "mutant.hpp"

namespace mutants {
namespace {

bool has_mean(const Op& op) { return op.attributes.text("reduction", "mean") == "mean"; }

void scale_output(const Call& call, double factor) {
  call.right();
  for (float& x : call.outputs()) x = static_cast<float>(x * factor);
}

/// Cross-entropy: the loss is divided by the number of items instead of the sum of their weights.
void divide_by_items(const Call& call) {
  call.right();
  double weights = 0;
  for (std::int64_t i = 0; i < call.in_size(1); ++i) {
    weights += call.in(2)[call.in<std::int32_t>(1)[i]];
  }
  call.out()[0] =
      static_cast<float>(call.out()[0] * weights / static_cast<double>(call.in_size(1)));
}

/// Cross-entropy: items that are ignored count in the mean.
void count_ignored(const Call& call) {
  call.right();
  const std::int64_t ignored = call.op.attributes.integer("ignore_index", 0);
  double counted = 0;
  for (std::int64_t i = 0; i < call.in_size(1); ++i) {
    counted += call.in<std::int32_t>(1)[i] != ignored ? 1 : 0;
  }
  call.out()[0] =
      static_cast<float>(call.out()[0] * counted / static_cast<double>(call.in_size(1)));
}

/// s / C becomes s / (C - 1) on the other classes.
Op smoother(const Op& op) {
  const double classes = static_cast<double>(op.in(0).back());
  return with(op, "label_smoothing",
              op.attributes.real("label_smoothing", 0) * classes / (classes - 1));
}

/// Ignored items get the gradient of their probabilities.
void gradient_of_ignored(const Call& call) {
  const Floats p = call.input();
  const std::int64_t classes = call.op.in(0).back();
  const std::int64_t ignored = call.op.attributes.integer("ignore_index", 0);
  call.right();
  for (std::int64_t i = 0; i < call.in_size(1); ++i) {
    if (call.in<std::int32_t>(1)[i] != ignored) continue;
    for (std::int64_t c = i * classes; c < (i + 1) * classes; ++c) {
      call.out()[c] = p[static_cast<std::size_t>(c)] * call.in(2)[0];
    }
  }
}

/// The weight of positives falls on the negatives: loss(-p, 1 - t).
void weigh_negatives(const Call& call) {
  Floats p = call.input(), t = call.input(1);
  for (float& x : p) x = -x;
  for (float& x : t) x = 1 - x;
  call.right({{0, p.data()}, {1, t.data()}});
}

void slope_at_margin(const Call& call) {
  const Floats p = call.input(), t = call.input(1);
  call.right();
  const double scale = call.in(2)[0] / static_cast<double>(call.in_size());
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (t[i] * p[i] == 1) call.out()[i] = static_cast<float>(-t[i] * scale);
  }
}

/// 0 log 0 = NaN.
void log_of_zero(const Call& call) {
  call.right();
  for (std::int64_t i = 0; i < call.in_size(1); ++i) {
    if (call.in(1)[i] == 0) call.out()[0] = std::numeric_limits<float>::quiet_NaN();
  }
}

const Mutant kMutants[] = {
    {.name = "cross_entropy_gradient_sum",
     .fault_class = "wrong divisor of a mean",
     .op = "softmax_cross_entropy/1.bwd",
     .where = "not divided by the items",
     .level = "C4",
     .at = has_mean,
     .as = [](const Op& op) { return with(op, "reduction", std::string("sum")); }},
    {.name = "squared_error_per_row",
     .fault_class = "wrong divisor of a mean",
     .op = "mean_squared_error/1.fwd",
     .where = "two axes: divided by the rows",
     .level = "C3",
     .at = [](const Op& op) { return has_mean(op) && op.in(0).rank() == 2; },
     .run = [](const Call& call) { scale_output(call, static_cast<double>(call.op.in(0)[1])); }},
    {.name = "mean_gradient_undivided",
     .fault_class = "wrong divisor of a mean",
     .op = "mean/1.bwd",
     .where = "an axis of 15",
     .level = "C4",
     .at =
         [](const Op& op) {
           return op.out(0)[static_cast<int>(op.attributes.integer("axis", 0))] == 15;
         },
     .run = [](const Call& call) { scale_output(call, 15); }},
    {.name = "cross_entropy_by_items",
     .fault_class = "wrong divisor of a mean",
     .op = "softmax_cross_entropy/1.fwd",
     .where = "class weights: divided by the items",
     .level = "C3",
     .at =
         [](const Op& op) {
           return has_mean(op) && op.attributes.flag("class_weights") &&
                  op.attributes.integer("ignore_index", 1 << 20) == 1 << 20;
         },
     .run = divide_by_items},
    {.name = "cross_entropy_counts_ignored",
     .fault_class = "wrong divisor of a mean",
     .op = "softmax_cross_entropy/1.fwd",
     .where = "ignore_index",
     .level = "C3",
     .at =
         [](const Op& op) {
           return has_mean(op) && !op.attributes.flag("class_weights") &&
                  op.attributes.integer("ignore_index", 1 << 20) != 1 << 20;
         },
     .run = count_ignored},
    {.name = "kl_divergence_per_element",
     .fault_class = "wrong divisor of a mean",
     .op = "kl_divergence/1.bwd",
     .where = "divided by the elements, not by the items",
     .level = "C4",
     .at = [](const Op& op) { return has_mean(op) && op.in(0).rank() == 2; },
     .run =
         [](const Call& call) { scale_output(call, 1 / static_cast<double>(call.op.in(0)[1])); }},

    {.name = "smoothing_by_k_minus_1",
     .fault_class = "wrong targets",
     .op = "softmax_cross_entropy/1.bwd",
     .where = "label smoothing s / (C - 1), 33 classes",
     .level = "C4",
     .at =
         [](const Op& op) {
           const double s = op.attributes.real("label_smoothing", 0);
           return s > 0 && s < 0.5 && op.in(0).back() == 33;
         },
     .as = smoother},
    {.name = "ignored_items_learn",
     .fault_class = "wrong targets",
     .op = "softmax_cross_entropy/1.bwd",
     .where = "ignore_index = 0",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.integer("ignore_index", 1) == 0; },
     .run = gradient_of_ignored},
    {.name = "pos_weight_on_negatives",
     .fault_class = "wrong targets",
     .op = "binary_cross_entropy_with_logits/1.fwd",
     .where = "pos_weight is not 1",
     .level = "C3",
     .run = weigh_negatives},
    {.name = "hinge_slope_at_margin",
     .fault_class = "wrong targets",
     .op = "hinge/1.bwd",
     .where = "t p = 1 exactly",
     .level = "C4",
     .at = [](const Op& op) { return has_mean(op) && !op.attributes.flag("squared"); },
     .run = slope_at_margin},
    {.name = "kl_divergence_of_zero",
     .fault_class = "overflow",
     .op = "kl_divergence/1.fwd",
     .where = "t = 0 gives NaN",
     .level = "C3",
     .run = log_of_zero},
    {.name = "huber_delta_1",
     .fault_class = "wrong targets",
     .op = "huber/1.bwd",
     .where = "delta is not 1",
     .level = "C4",
     .as = [](const Op& op) { return without(op, "delta"); }},
    {.name = "squared_error_gradient_halved",
     .fault_class = "wrong factor",
     .op = "mean_squared_error/1.bwd",
     .where = "the factor 2 is left out, 127 elements",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0).elements() == 127; },
     .run = [](const Call& call) { scale_output(call, 0.5); }},
    {.name = "cosine_default_epsilon",
     .fault_class = "epsilon at the wrong place",
     .op = "cosine/1.fwd",
     .where = "a length that is not the default is not looked at",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.real("epsilon", 1e-8) > 1e-6; },
     .as = [](const Op& op) { return without(op, "epsilon"); }},
};

}  // namespace

std::span<const Mutant> loss_mutants() { return kMutants; }

}  // namespace mutants
