// Optimizers. In the formulas w, g, m, v are an element's weight, gradient and state, in float64.
#include <cmath>
#include <utility>

#include "mutant.hpp"

namespace mutants {
namespace {

/// An element on its way through an update; s are the scalars.
struct Element {
  double w, g, m, v;  // m, v: the first two states
  const float* s;
};

/// The whole update by `step(op, element)`, which changes w, m and v.
template <class Step>
void update(const Call& call, Step step) {
  const int states = static_cast<int>(call.op.outputs.size()) - 1;
  for (std::int64_t i = 0; i < call.out_size(); ++i) {
    Element e{call.in(0)[i], call.in(1)[i], states > 0 ? call.in(3)[i] : 0.0f,
              states > 1 ? call.in(4)[i] : 0.0f, call.in(2)};
    step(call.op, e);
    call.out(0)[i] = static_cast<float>(e.w);
    if (states > 0) call.out(1)[i] = static_cast<float>(e.m);
    if (states > 1) call.out(2)[i] = static_cast<float>(e.v);
  }
}

double decayed(const Op& op, const Element& e) {
  return e.g + op.attributes.real("weight_decay", 0) * e.w;
}

void adam_moments(const Op& op, Element& e, double g) {
  const double beta1 = op.attributes.real("beta1", 0.9), beta2 = op.attributes.real("beta2", 0.999);
  e.m = beta1 * e.m + (1 - beta1) * g;
  e.v = beta2 * e.v + (1 - beta2) * g * g;
}
double epsilon(const Op& op) { return op.attributes.real("epsilon", 1e-8); }

void adam_epsilon_inside(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    adam_moments(op, e, decayed(op, e));
    e.w -= e.s[0] * e.m / std::sqrt(e.v * e.s[1] + epsilon(op));
  });
}

/// The correction of the second moment is that of the update before: beta2^t is found from
/// scalars[1] = 1 / (1 - beta2^t).
void adam_correction_late(const Call& call) {
  Floats scalars = call.input(2);
  const double beta2 = call.op.attributes.real("beta2", 0.999);
  const double power = 1 - 1 / static_cast<double>(scalars[1]);
  scalars[1] = static_cast<float>(1 / (1 - power * beta2));
  call.right({{2, scalars.data()}});
}

void adam_absolute_gradient(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    const double beta2 = op.attributes.real("beta2", 0.999), v = e.v, g = decayed(op, e);
    adam_moments(op, e, g);
    e.v = beta2 * v + (1 - beta2) * std::abs(g);
    e.w -= e.s[0] * e.m / (std::sqrt(e.v * e.s[1]) + epsilon(op));
  });
}

/// The state that is kept is the corrected one; the weight is right.
void adam_keeps_corrected(const Call& call) {
  Floats scalars = call.input(2);
  call.right();
  for (float& v : call.outputs(2)) v *= scalars[1];
}

void adamw_coupled(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    // lr is in the scalars together with the correction: the decay enters as e.s[2] / e.s[0]
    adam_moments(op, e, e.g + (e.s[0] != 0 ? e.s[2] / e.s[0] : 0) * e.w);
    e.w -= e.s[0] * e.m / (std::sqrt(e.v * e.s[1]) + epsilon(op));
  });
}

void nesterov_late(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    const double momentum = op.attributes.real("momentum", 0), g = decayed(op, e), old = e.m;
    e.m = momentum * e.m + g;
    e.w -= e.s[0] * (g + momentum * old);
  });
}

void rate_in_velocity(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    e.m = op.attributes.real("momentum", 0) * e.m + e.s[0] * decayed(op, e);
    e.w -= e.m;
  });
}

void lion_by_new_momentum(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    const double beta2 = op.attributes.real("beta2", 0.99);
    e.m = beta2 * e.m + (1 - beta2) * e.g;
    const double sign = e.m > 0 ? 1 : e.m < 0 ? -1 : 0;
    e.w = e.w - e.s[1] * e.w - e.s[0] * sign;
  });
}

void nadam_without_look_ahead(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    adam_moments(op, e, decayed(op, e));
    e.w -= (e.s[0] + e.s[1]) * e.m / (std::sqrt(e.v * e.s[2]) + epsilon(op));
  });
}

void adagrad_epsilon_inside(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    const double g = decayed(op, e);
    e.m += g * g;
    e.w -= e.s[0] * g / std::sqrt(e.m + op.attributes.real("epsilon", 1e-10));
  });
}

void adagrad_forgets(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    const double g = decayed(op, e);
    e.m = 0.999 * e.m + g * g;
    e.w -= e.s[0] * g / (std::sqrt(e.m) + op.attributes.real("epsilon", 1e-10));
  });
}

void rmsprop_epsilon_inside(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    const double alpha = op.attributes.real("alpha", 0.99), g = decayed(op, e);
    e.m = alpha * e.m + (1 - alpha) * g * g;
    e.w -= e.s[0] * g / std::sqrt(e.m + epsilon(op));
  });
}

/// The step is taken with the average of squared steps after, not before, it took this one in.
void adadelta_looks_ahead(const Call& call) {
  update(call, [](const Op& op, Element& e) {
    const double rho = op.attributes.real("rho", 0.9), eps = op.attributes.real("epsilon", 1e-6);
    const double g = decayed(op, e);
    e.m = rho * e.m + (1 - rho) * g * g;
    const double d = std::sqrt((e.v + eps) / (e.m + eps)) * g;
    e.v = rho * e.v + (1 - rho) * d * d;
    e.w -= e.s[0] * std::sqrt((e.v + eps) / (e.m + eps)) * g;
  });
}

void velocity_not_kept(const Call& call) {
  const Floats velocity = call.input(3);
  call.right();
  call.out(1)[0] = velocity[0];
}

const Mutant kMutants[] = {
    {.name = "adam_epsilon_inside",
     .fault_class = "epsilon at the wrong place",
     .op = "adam/1.step",
     .where = "inside the root, 127 weights",
     .level = "C4",
     .at = [](const Op& op) { return op.out(0).elements() == 127; },
     .run = adam_epsilon_inside},
    {.name = "adagrad_epsilon_inside",
     .fault_class = "epsilon at the wrong place",
     .op = "adagrad/1.step",
     .where = "inside the root",
     .level = "C4",
     .run = adagrad_epsilon_inside},
    {.name = "rmsprop_epsilon_inside",
     .fault_class = "epsilon at the wrong place",
     .op = "rmsprop/1.step",
     .where = "inside the root, one state",
     .level = "C4",
     .at = [](const Op& op) { return op.outputs.size() == 2; },
     .run = rmsprop_epsilon_inside},

    {.name = "adam_correction_late",
     .fault_class = "bias correction",
     .op = "adam/1.step",
     .where = "beta2^(t+1), default betas",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.entries().empty(); },
     .run = adam_correction_late},
    {.name = "adamw_correction_lost",
     .fault_class = "bias correction",
     .op = "adamw/1.step",
     .where = "the second moment is taken as it is",
     .level = "C4",
     .run =
         [](const Call& call) {
           Floats scalars = call.input(2);
           scalars[1] = 1;
           call.right({{2, scalars.data()}});
         }},
    {.name = "nadam_corrections_swapped",
     .fault_class = "bias correction",
     .op = "nadam/1.step",
     .where = "those of the gradient and of the moment change places",
     .level = "C4",
     .run =
         [](const Call& call) {
           Floats scalars = call.input(2);
           std::swap(scalars[0], scalars[1]);
           call.right({{2, scalars.data()}});
         }},

    {.name = "adamw_coupled",
     .fault_class = "wrong update",
     .op = "adamw/1.step",
     .where = "the decay goes through the moments",
     .level = "C4",
     .run = adamw_coupled},
    {.name = "adam_decay_lost",
     .fault_class = "wrong update",
     .op = "adam/1.step",
     .where = "weight_decay is not looked at",
     .level = "C4",
     .as = [](const Op& op) { return without(op, "weight_decay"); }},
    {.name = "nesterov_late",
     .fault_class = "wrong update",
     .op = "sgd/1.step",
     .where = "nesterov: the velocity before this update",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.flag("nesterov"); },
     .run = nesterov_late},
    {.name = "lion_by_new_momentum",
     .fault_class = "wrong update",
     .op = "lion/1.step",
     .where = "the sign of the momentum that is kept",
     .level = "C4",
     .run = lion_by_new_momentum},
    {.name = "nadam_without_look_ahead",
     .fault_class = "wrong update",
     .op = "nadam/1.step",
     .where = "Adam under another name",
     .level = "C4",
     .run = nadam_without_look_ahead},
    {.name = "adadelta_looks_ahead",
     .fault_class = "wrong update",
     .op = "adadelta/1.step",
     .where = "17 weights",
     .level = "C4",
     .at = [](const Op& op) { return op.out(0).elements() == 17; },
     .run = adadelta_looks_ahead},

    {.name = "rate_in_velocity",
     .fault_class = "wrong state of an optimizer",
     .op = "sgd/1.step",
     .where = "momentum: the velocity holds the learning rate",
     .level = "C4",
     .at = [](const Op& op) { return op.outputs.size() == 2 && !op.attributes.flag("nesterov"); },
     .run = rate_in_velocity},
    {.name = "velocity_not_kept",
     .fault_class = "wrong state of an optimizer",
     .op = "sgd/1.step",
     .where = "momentum, a single weight",
     .level = "C4",
     .at = [](const Op& op) { return op.outputs.size() == 2 && op.out(0).elements() == 1; },
     .run = velocity_not_kept},
    {.name = "adam_absolute_gradient",
     .fault_class = "wrong state of an optimizer",
     .op = "adam/1.step",
     .where = "the second moment averages |g|",
     .level = "C4",
     .run = adam_absolute_gradient},
    {.name = "adam_keeps_corrected",
     .fault_class = "wrong state of an optimizer",
     .op = "adam/1.step",
     .where = "the state kept is the corrected one, 15 weights",
     .level = "C4",
     .at = [](const Op& op) { return op.out(0).elements() == 15; },
     .run = adam_keeps_corrected},
    {.name = "adagrad_forgets",
     .fault_class = "wrong state of an optimizer",
     .op = "adagrad/1.step",
     .where = "a thousandth of the sum is lost per update",
     .level = "C4",
     .run = adagrad_forgets},
    {.name = "rmsprop_uncentered",
     .fault_class = "wrong state of an optimizer",
     .op = "rmsprop/1.step",
     .where = "centered: the mean stays as it was",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.flag("centered"); },
     .run =
         [](const Call& call) {
           const Floats mean = call.input(4);
           call.right();
           for (std::size_t i = 0; i < mean.size(); ++i) call.out(2)[i] = mean[i];
         }},
};

}  // namespace

std::span<const Mutant> optimizer_mutants() { return kMutants; }

}  // namespace mutants
