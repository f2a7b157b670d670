// Normalisations. Letters as in soma/sdk/ops: M or rows, C channels.
#include <algorithm>
#include <cmath>

#include "mutant.hpp"

namespace mutants {
namespace {

double epsilon_of(const Op& op) { return op.attributes.real("epsilon", 1e-5); }

std::int64_t channels_of(const Op& op) { return op.in(0).back(); }
std::int64_t rows_of(const Op& op) {
  return channels_of(op) == 0 ? 0 : op.in(0).elements() / channels_of(op);
}

/// The biased variance behind a saved inverse deviation.
double variance(float inv_dev, double epsilon) {
  return 1 / (static_cast<double>(inv_dev) * inv_dev) - epsilon;
}

void biased_running_variance(const Call& call) {
  call.right();
  const double momentum = call.op.attributes.real("momentum", 0.1);
  const auto m = static_cast<double>(rows_of(call.op));
  for (std::int64_t c = 0; c < channels_of(call.op); ++c) {
    const double var = variance(call.out(2)[c], epsilon_of(call.op));
    call.out(4)[c] -= static_cast<float>(momentum * var / (m - 1));
  }
}

/// y = (y - beta) * factor + beta, one factor per row and channel.
template <class Factor>
void stretch(const Call& call, const float* beta, Factor factor) {
  const std::int64_t channels = channels_of(call.op);
  for (std::int64_t i = 0; i < call.out_size(); ++i) {
    const std::int64_t c = i % channels;
    const double from = beta == nullptr ? 0 : beta[c];
    call.out()[i] = static_cast<float>((call.out()[i] - from) * factor(i / channels, c) + from);
  }
}

void normalise_unbiased(const Call& call) {
  const Floats beta = call.input(2);
  call.right();
  const auto m = static_cast<double>(rows_of(call.op));
  stretch(call, beta.data(), [&](auto, auto) { return std::sqrt((m - 1) / m); });
}

/// Of batch norm: grad_x = grad_y * gamma * inv_dev + the terms of mean and variance.
void batch_norm_n_minus_1(const Call& call) {
  const Floats grad = call.input(4);
  call.right();
  const auto m = static_cast<double>(rows_of(call.op));
  const std::int64_t channels = channels_of(call.op);
  for (std::int64_t i = 0; i < call.out_size(); ++i) {
    const std::int64_t c = i % channels;
    const double own =
        static_cast<double>(grad[static_cast<std::size_t>(i)]) * call.in(1)[c] * call.in(3)[c];
    call.out()[i] = static_cast<float>(own + (call.out()[i] - own) * m / (m - 1));
  }
}

void batch_norm_no_mean_term(const Call& call) {
  call.right();
  const std::int64_t channels = channels_of(call.op);
  for (std::int64_t i = 0; i < call.out_size(); ++i) {
    const std::int64_t c = i % channels;
    call.out()[i] +=
        call.out(2)[c] * call.in(1)[c] * call.in(3)[c] / static_cast<float>(rows_of(call.op));
  }
}

/// x [N,S,C] with channel d * G + g in the place of g * D + d: its groups are c mod G.
void interleave_groups(const Call& call) {
  const std::int64_t channels = channels_of(call.op);
  const std::int64_t groups = call.op.attributes.integer("groups", 1), depth = channels / groups;
  const auto from = [&](std::int64_t c) { return c % depth * groups + c / depth; };
  Floats x = call.input(), gamma = call.input(1), beta = call.input(2);
  for (std::int64_t i = 0; i < call.in_size(); ++i) {
    x[static_cast<std::size_t>(i)] = call.in()[i / channels * channels + from(i % channels)];
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    gamma[static_cast<std::size_t>(c)] = call.in(1)[from(c)];
    beta[static_cast<std::size_t>(c)] = call.in(2)[from(c)];
  }
  call.right({{0, x.data()}, {1, gamma.data()}, {2, beta.data()}});
  const Floats y = call.output();
  for (std::int64_t i = 0; i < call.out_size(); ++i) {
    call.out()[i / channels * channels + from(i % channels)] = y[static_cast<std::size_t>(i)];
  }
}

void subtract_means(const Call& call) {
  Floats x = call.input();
  const auto channels = static_cast<std::size_t>(channels_of(call.op));
  for (std::size_t row = 0; row < x.size(); row += channels) {
    double sum = 0;
    for (std::size_t c = 0; c < channels; ++c) sum += x[row + c];
    for (std::size_t c = 0; c < channels; ++c) {
      x[row + c] -= static_cast<float>(sum / static_cast<double>(channels));
    }
  }
  call.right({{0, x.data()}});
}

void epsilon_outside_root(const Call& call) {
  const Floats beta = call.input(2);
  call.right();
  const double epsilon = epsilon_of(call.op);
  const auto factor = [&](std::int64_t row, std::int64_t) {
    const double inv_dev = call.out(2)[row];
    return 1 / (std::sqrt(variance(call.out(2)[row], epsilon)) + epsilon) / inv_dev;
  };
  stretch(call, beta.data(), factor);
  for (std::int64_t r = 0; r < call.out_size(2); ++r) {
    call.out(2)[r] = static_cast<float>(call.out(2)[r] * factor(r, 0));
  }
}

/// Of layer norm: the term of the variance is left out of grad_x.
void layer_norm_no_variance_term(const Call& call) {
  const std::int64_t channels = channels_of(call.op);
  const Floats grad = call.input(static_cast<int>(call.op.inputs.size()) - 1);
  const int mean = static_cast<int>(call.op.inputs.size()) - 3;
  call.right();
  for (std::int64_t r = 0; r < rows_of(call.op); ++r) {
    const double center = call.in(mean)[r], inv_dev = call.in(mean + 1)[r];
    const auto xhat = [&](std::int64_t c) {
      return (call.in()[r * channels + c] - center) * inv_dev;
    };
    double b = 0;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double gamma = mean == 2 ? call.in(1)[c] : 1;
      b += grad[static_cast<std::size_t>(r * channels + c)] * gamma * xhat(c);
    }
    for (std::int64_t c = 0; c < channels; ++c) {
      float& to = call.out()[r * channels + c];
      to = static_cast<float>(to + b / static_cast<double>(channels) * xhat(c) * inv_dev);
    }
  }
}

/// The variance as the mean of squares minus the square of the mean, in float32.
void variance_by_squares(const Call& call) {
  const Floats x = call.input(), beta = call.input(2);
  call.right();
  const std::int64_t channels = channels_of(call.op), rows = rows_of(call.op);
  Floats factor;
  for (std::int64_t c = 0; c < channels; ++c) {
    float sum = 0, squares = 0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const float v = x[static_cast<std::size_t>(r * channels + c)];
      sum += v;
      squares += v * v;
    }
    const float mean = sum / static_cast<float>(rows);
    const float var = std::max(squares / static_cast<float>(rows) - mean * mean, 0.0f);
    const double inv_dev = 1 / std::sqrt(var + epsilon_of(call.op));
    factor.push_back(static_cast<float>(inv_dev / call.out(2)[c]));
  }
  stretch(call, beta.data(),
          [&](auto, std::int64_t c) { return factor[static_cast<std::size_t>(c)]; });
}

void add_gamma_rows_backwards(const Call& call) {
  const std::int64_t channels = channels_of(call.op), rows = rows_of(call.op);
  const Floats grad = call.input(static_cast<int>(call.op.inputs.size()) - 1);
  call.right();
  const int beta = static_cast<int>(call.op.outputs.size()) - 1;
  for (std::int64_t c = 0; c < channels; ++c) {
    float sum = 0;
    for (std::int64_t r = rows - 1; r >= 0; --r) {
      sum += grad[static_cast<std::size_t>(r * channels + c)];
    }
    call.out(beta)[c] = sum;
  }
}

const Mutant kMutants[] = {
    {.name = "running_variance_biased",
     .fault_class = "wrong statistics",
     .op = "batch_norm/1.fwd",
     .where = "1025 rows",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() > 1 && rows_of(op) == 1025; },
     .run = biased_running_variance},
    {.name = "batch_norm_momentum_flipped",
     .fault_class = "wrong statistics",
     .op = "batch_norm/1.fwd",
     .where = "training",
     .level = "C3",
     .as =
         [](const Op& op) {
           return with(op, "momentum", 1 - op.attributes.real("momentum", 0.1));
         }},
    {.name = "batch_norm_unbiased",
     .fault_class = "wrong statistics",
     .op = "batch_norm/1.fwd",
     .where = "training, 31 rows",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() > 1 && rows_of(op) == 31; },
     .run = normalise_unbiased},
    {.name = "group_norm_interleaved",
     .fault_class = "wrong statistics",
     .op = "group_norm/1.fwd",
     .where = "11 groups of 3",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.integer("groups", 1) == 11; },
     .run = interleave_groups},
    {.name = "rms_norm_centred",
     .fault_class = "wrong statistics",
     .op = "rms_norm/1.fwd",
     .where = "C = 65",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0).back() == 65; },
     .run = subtract_means},
    {.name = "batch_norm_variance_by_squares",
     .fault_class = "wrong statistics",
     .op = "batch_norm/1.fwd",
     .where = "training, mean far from 0",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() > 1; },
     .run = variance_by_squares},

    {.name = "layer_norm_epsilon_outside",
     .fault_class = "epsilon at the wrong place",
     .op = "layer_norm/1.fwd",
     .where = "training, scale and shift",
     .level = "C3",
     .at = [](const Op& op) { return op.inputs.size() == 3 && op.outputs.size() == 3; },
     .run = epsilon_outside_root},
    {.name = "batch_norm_epsilon_lost",
     .fault_class = "epsilon at the wrong place",
     .op = "batch_norm/1.fwd",
     .where = "inference",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() == 1; },
     .as = [](const Op& op) { return with(op, "epsilon", 0.0); }},

    {.name = "batch_norm_n_minus_1",
     .fault_class = "wrong term of a gradient",
     .op = "batch_norm/1.bwd",
     .where = "1025 rows",
     .level = "C4",
     .at = [](const Op& op) { return rows_of(op) == 1025; },
     .run = batch_norm_n_minus_1},
    {.name = "batch_norm_mean_term",
     .fault_class = "wrong term of a gradient",
     .op = "batch_norm/1.bwd",
     .where = "9 rows",
     .level = "C4",
     .at = [](const Op& op) { return rows_of(op) == 9; },
     .run = batch_norm_no_mean_term},
    {.name = "layer_norm_variance_term",
     .fault_class = "wrong term of a gradient",
     .op = "layer_norm/1.bwd",
     .where = "C = 9",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0).back() == 9; },
     .run = layer_norm_no_variance_term},
    {.name = "layer_norm_rows_backwards",
     .fault_class = "order of sums",
     .op = "layer_norm/1.bwd",
     .where = "513 rows",
     .level = "C4",
     .at = [](const Op& op) { return rows_of(op) == 513; },
     .run = add_gamma_rows_backwards,
     .numerics = "exact"},

    {.name = "batch_norm_saves_variance",
     .fault_class = "saved state in another layout",
     .op = "batch_norm/1.fwd",
     .where = "training",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() > 1; },
     .run =
         [](const Call& call) {
           call.right();
           for (float& x : call.outputs(2)) {
             x = static_cast<float>(variance(x, epsilon_of(call.op)));
           }
         }},
    {.name = "layer_norm_state_swapped",
     .fault_class = "saved state in another layout",
     .op = "layer_norm/1.fwd",
     .where = "training, batch of 2",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() == 3 && op.in(0)[0] == 2; },
     .run =
         [](const Call& call) {
           call.right();
           std::swap_ranges(call.out(1), call.out(1) + call.out_size(1), call.out(2));
         }},
};

}  // namespace

std::span<const Mutant> normalization_mutants() { return kMutants; }

}  // namespace mutants
