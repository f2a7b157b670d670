// Attention and recurrent layers.
#include <algorithm>
#include <cmath>
#include <limits>

#include "mutant.hpp"
#include "soma/sdk/ops/attention.hpp"

namespace mutants {
namespace {

using soma::ops::Attention;

/// Attention in float64 with a rule of its own for which key a query sees.
template <class Visible>
void attend(const Call& call, Visible visible) {
  const Attention::Layout l = Attention::layout(call.op);
  const auto row = [&](const Attention::Layout::Place& place, std::int64_t b, std::int64_t head,
                       std::int64_t width, std::int64_t t) {
    return call.in(place.operand) + place.at(b, head, width) + t * place.stride;
  };
  std::vector<double> p(static_cast<std::size_t>(l.keys));
  for (std::int64_t b = 0; b < l.batch; ++b) {
    for (std::int64_t head = 0; head < l.heads; ++head) {
      for (std::int64_t i = 0; i < l.queries; ++i) {
        const float* q = row(l.q, b, head, l.key_width, i);
        double most = -std::numeric_limits<double>::infinity(), sum = 0;
        for (std::int64_t j = 0; j < l.keys; ++j) {
          const float* k = row(l.k, b, head, l.key_width, j);
          double score = 0;
          for (std::int64_t d = 0; d < l.key_width; ++d) score += static_cast<double>(q[d]) * k[d];
          p[static_cast<std::size_t>(j)] = score * static_cast<double>(l.scale);
          if (visible(b, i, j)) most = std::max(most, p[static_cast<std::size_t>(j)]);
        }
        for (std::int64_t j = 0; j < l.keys; ++j) {
          double& e = p[static_cast<std::size_t>(j)];
          e = visible(b, i, j) ? std::exp(e - most) : 0;
          sum += e;
        }
        for (double& e : p) e = sum > 0 ? e / sum : 0;
        float* y = call.out(l.y.operand) + l.y.at(b, head, l.value_width) + i * l.y.stride;
        for (std::int64_t d = 0; d < l.value_width; ++d) {
          double total = 0;
          for (std::int64_t j = 0; j < l.keys; ++j) {
            total += p[static_cast<std::size_t>(j)] *
                     static_cast<double>(row(l.v, b, head, l.value_width, j)[d]);
          }
          y[d] = static_cast<float>(total);
        }
        if (l.probabilities < 0) continue;
        float* to = call.out(l.probabilities) + ((b * l.heads + head) * l.queries + i) * l.keys;
        std::ranges::transform(p, to, [](double e) { return static_cast<float>(e); });
      }
    }
  }
}

/// True if the mask of the op hides the key.
bool masked(const Call& call, std::int64_t b, std::int64_t j) {
  const Attention::Layout l = Attention::layout(call.op);
  return l.key_mask >= 0 && call.in<std::int32_t>(l.key_mask)[b * l.keys + j] == 0;
}

void causal_off_by_one(const Call& call) {
  const Attention::Layout l = Attention::layout(call.op);
  attend(call, [&](std::int64_t b, std::int64_t i, std::int64_t j) {
    return !masked(call, b, j) && j < l.visible_end(i) + 1;
  });
}

void causal_from_the_start(const Call& call) {
  attend(call, [&](std::int64_t b, std::int64_t i, std::int64_t j) {
    return !masked(call, b, j) && j <= i;
  });
}

void mask_of_first_item(const Call& call) {
  attend(call, [&](std::int64_t, std::int64_t, std::int64_t j) { return !masked(call, 0, j); });
}

void nan_where_nothing_is_seen(const Call& call) {
  const Attention::Layout l = Attention::layout(call.op);
  call.right();
  for (std::int64_t b = 0; b < l.batch; ++b) {
    bool sees = false;
    for (std::int64_t j = 0; j < l.keys; ++j) sees = sees || !masked(call, b, j);
    if (sees) continue;
    const std::int64_t size = l.queries * l.y.stride;
    std::fill_n(call.out() + b * size, size, std::numeric_limits<float>::quiet_NaN());
  }
}

void probabilities_by_query(const Call& call) {
  const Attention::Layout l = Attention::layout(call.op);
  call.right();
  const Floats p = call.output(1);
  for (std::int64_t i = 0; i < call.out_size(1); ++i) {
    const std::int64_t j = i % l.keys, t = i / l.keys % l.queries;
    const std::int64_t head = i / l.keys / l.queries % l.heads;
    const std::int64_t b = i / l.keys / l.queries / l.heads;
    call.out(1)[((b * l.queries + t) * l.heads + head) * l.keys + j] =
        p[static_cast<std::size_t>(i)];
  }
}

void attention_gradient_unscaled(const Call& call) {
  call.right();
  const float scale = Attention::layout(call.op).scale;
  for (int output : {0, 1}) {
    for (float& x : call.outputs(output)) x /= scale;
  }
}

void last_head_learns_nothing(const Call& call) {
  call.right();
  const Attention::Layout l = Attention::layout(call.op);
  for (std::int64_t i = 0; i < l.batch * l.queries; ++i) {
    float* row = call.out() + i * l.q.stride;
    std::fill(row + (l.heads - 1) * l.key_width, row + l.heads * l.key_width, 0.0f);
  }
}

/// Blocks `a` and `b` of `count` blocks in each row of output `output` change places.
void swap_blocks(const Call& call, int output, std::int64_t count, std::int64_t a, std::int64_t b) {
  const std::int64_t row = call.op.out(static_cast<std::size_t>(output)).back();
  const std::int64_t width = row / count;
  for (std::int64_t at = 0; at < call.out_size(output); at += row) {
    float* x = call.out(output) + at;
    std::swap_ranges(x + a * width, x + (a + 1) * width, x + b * width);
  }
}

void zero_output(const Call& call, int output) {
  call.right();
  std::ranges::fill(call.outputs(output), 0.0f);
}

void forget_bias_of_1(const Call& call) {
  Floats bias = call.input(2);
  const std::size_t units = bias.size() / 4;
  for (std::size_t i = units; i < 2 * units; ++i) bias[i] += 1;
  call.right({{2, bias.data()}});
}

/// z becomes 1 - z: everything that its sigmoid sees changes sign.
void gru_gate_flipped(const Call& call) {
  Floats xw = call.input(), u = call.input(1), bias = call.input(2);
  const auto units = static_cast<std::size_t>(call.op.in(3)[0]);
  for (std::size_t i = 0; i < xw.size(); ++i) {
    if (i / units % 3 == 1) xw[i] = -xw[i];
  }
  for (std::size_t i = units * units; i < 2 * units * units; ++i) u[i] = -u[i];
  for (std::size_t i = units; i < 2 * units; ++i) bias[i] = -bias[i];
  call.right({{0, xw.data()}, {1, u.data()}, {2, bias.data()}});
}

/// One sequence step of a GRU in float64 that resets the state before the product (version 3 of the
/// paper), where the op resets after it.
void gru_resets_before(const Call& call) {
  call.right();  // the states that are saved stay right
  const std::int64_t n_count = call.op.in(0)[0], steps = call.op.in(0)[1], h = call.op.in(3)[0];
  const bool reverse = call.op.attributes.flag("reverse");
  const auto sigmoid = [](double x) { return 1 / (1 + std::exp(-x)); };
  std::vector<double> state(static_cast<std::size_t>(h)), gate(static_cast<std::size_t>(2 * h));
  for (std::int64_t n = 0; n < n_count; ++n) {
    for (std::int64_t j = 0; j < h; ++j) {
      state[static_cast<std::size_t>(j)] = call.in(4)[n * h + j];
    }
    for (std::int64_t step = 0; step < steps; ++step) {
      const std::int64_t t = reverse ? steps - 1 - step : step;
      const float* xw = call.in() + (n * steps + t) * 3 * h;
      const auto product = [&](std::int64_t row, bool reset) {
        double sum = 0;
        for (std::int64_t k = 0; k < h; ++k) {
          const double r = reset ? gate[static_cast<std::size_t>(k)] : 1;
          sum += call.in(1)[row * h + k] * r * state[static_cast<std::size_t>(k)];
        }
        return sum;
      };
      for (std::int64_t j = 0; j < 2 * h; ++j) {
        gate[static_cast<std::size_t>(j)] = sigmoid(xw[j] + product(j, false) + call.in(2)[j]);
      }
      std::vector<double> next(state.size());
      for (std::int64_t j = 0; j < h; ++j) {
        const double z = gate[static_cast<std::size_t>(h + j)];
        const double a =
            xw[2 * h + j] + call.in(2)[2 * h + j] + product(2 * h + j, true) + call.in(3)[j];
        next[static_cast<std::size_t>(j)] =
            z * state[static_cast<std::size_t>(j)] + (1 - z) * std::tanh(a);
        call.out()[(n * steps + t) * h + j] = static_cast<float>(next[static_cast<std::size_t>(j)]);
      }
      state = next;
    }
  }
}

const Mutant kMutants[] = {
    {.name = "causal_off_by_one",
     .fault_class = "wrong mask",
     .op = "attention/1.fwd",
     .where = "causal: the next key is seen too",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.flag("causal") && op.in(0)[1] == 63; },
     .run = causal_off_by_one},
    {.name = "causal_from_the_start",
     .fault_class = "wrong mask",
     .op = "attention/1.fwd",
     .where = "causal with 1 query and 65 keys",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.flag("causal") && op.in(0)[1] == 1; },
     .run = causal_from_the_start},
    {.name = "mask_of_first_item",
     .fault_class = "wrong mask",
     .op = "attention/1.fwd",
     .where = "key mask, batch of 2",
     .level = "C3",
     .at =
         [](const Op& op) {
           return op.attributes.flag("key_mask") && !op.attributes.flag("causal") &&
                  op.in(0)[0] == 2;
         },
     .run = mask_of_first_item},
    {.name = "nothing_seen_gives_nan",
     .fault_class = "wrong mask",
     .op = "attention/1.fwd",
     .where = "an item whose keys are all masked",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.flag("key_mask") && op.in(0).elements() > 0; },
     .run = nan_where_nothing_is_seen},
    {.name = "probabilities_by_query",
     .fault_class = "saved state in another layout",
     .op = "attention/1.fwd",
     .where = "training, several heads",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() == 2; },
     .run = probabilities_by_query},
    {.name = "attention_gradient_unscaled",
     .fault_class = "wrong factor",
     .op = "attention/1.bwd",
     .where = "128 columns: grad_q and grad_k are not scaled",
     .level = "C4",
     .at = [](const Op& op) { return op.outputs.size() == 3 && op.in(0)[2] == 128; },
     .run = attention_gradient_unscaled},
    {.name = "last_head_learns_nothing",
     .fault_class = "gradient of zeros",
     .op = "attention/1.bwd",
     .where = "grad_q of the last of 4 heads",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.integer("heads", 1) == 4; },
     .run = last_head_learns_nothing},

    {.name = "lstm_gradient_gates_swapped",
     .fault_class = "wrong gate",
     .op = "lstm/1.bwd",
     .where = "17 units: the gradients of i and f change places",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[1] == 17; },
     .run =
         [](const Call& call) {
           call.right();
           swap_blocks(call, 0, 4, 0, 1);
         }},
    {.name = "gru_gate_flipped",
     .fault_class = "wrong gate",
     .op = "gru/1.fwd",
     .where = "z and 1 - z change places",
     .level = "C3",
     .run = gru_gate_flipped},
    {.name = "gru_resets_before",
     .fault_class = "wrong gate",
     .op = "gru/1.fwd",
     .where = "the state is reset before the product",
     .level = "C3",
     .run = gru_resets_before},
    {.name = "lstm_forget_bias",
     .fault_class = "wrong gate",
     .op = "lstm/1.fwd",
     .where = "1 is added to the bias of f",
     .level = "C3",
     .run = forget_bias_of_1},
    {.name = "lstm_saves_o_before_g",
     .fault_class = "saved state in another layout",
     .op = "lstm/1.fwd",
     .where = "training, 7 units",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() == 3 && op.in(1)[1] == 7; },
     .run =
         [](const Call& call) {
           call.right();
           swap_blocks(call, 2, 4, 2, 3);
         }},
    {.name = "rnn_initial_state_lost",
     .fault_class = "wrong gate",
     .op = "rnn/1.fwd",
     .where = "batch of 1: h0 counts as 0",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[0] == 1; },
     .run =
         [](const Call& call) {
           const Floats zeros(static_cast<std::size_t>(call.in_size(3)));
           call.right({{3, zeros.data()}});
         }},
    {.name = "rnn_runs_forward",
     .fault_class = "wrong gate",
     .op = "rnn/1.bwd",
     .where = "reverse is not looked at",
     .level = "C4",
     .as = [](const Op& op) { return without(op, "reverse"); }},
    {.name = "rnn_initial_state_gradient",
     .fault_class = "gradient of zeros",
     .op = "rnn/1.bwd",
     .where = "reverse: grad_h0",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.flag("reverse"); },
     .run = [](const Call& call) { zero_output(call, 3); }},
    {.name = "lstm_initial_cell_gradient",
     .fault_class = "gradient of zeros",
     .op = "lstm/1.bwd",
     .where = "batch of 73: grad_c0",
     .level = "C4",
     .at = [](const Op& op) { return op.in(1)[0] == 73; },
     .run = [](const Call& call) { zero_output(call, 4); }},
    {.name = "gru_second_bias_gradient",
     .fault_class = "gradient of zeros",
     .op = "gru/1.bwd",
     .where = "grad_bias_u",
     .level = "C4",
     .run = [](const Call& call) { zero_output(call, 3); }},
};

}  // namespace

std::span<const Mutant> sequence_mutants() { return kMutants; }

}  // namespace mutants
