// Sums of products: linear, matmul, conv2d.
#include <algorithm>
#include <cmath>

#include "mutant.hpp"
#include "soma/sdk/ops/attention.hpp"
#include "soma/sdk/ops/matmul.hpp"

namespace mutants {
namespace {

/// Sets column `column` of rows of `width` to 0.
void clear_column(Floats& x, std::int64_t width, std::int64_t column) {
  for (auto i = static_cast<std::size_t>(column); i < x.size();
       i += static_cast<std::size_t>(width))
    x[i] = 0;
}

/// Writes a matrix [rows, cols] as [cols, rows].
void transpose(float* x, std::int64_t rows, std::int64_t cols) {
  const Floats from(x, x + rows * cols);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; ++c) {
      x[c * rows + r] = from[static_cast<std::size_t>(r * cols + c)];
    }
  }
}

void round_input(const Call& call, int i) {
  Floats x = call.input(i);
  std::ranges::transform(x, x.begin(), as_bfloat16);
  call.right({{i, x.data()}});
}

/// input [M,K], weight [N,K], rounded, and every sum on the way as well.
void sum_in_bfloat16(const Call& call) {
  const std::int64_t m = call.op.in(0)[0], k = call.op.in(0)[1], n = call.op.in(1)[0];
  for (std::int64_t i = 0; i < m * n; ++i) {
    const float *x = call.in() + i / n * k, *w = call.in(1) + i % n * k;
    float sum = 0;
    for (std::int64_t t = 0; t < k; ++t) {
      sum = as_bfloat16(std::fma(as_bfloat16(x[t]), as_bfloat16(w[t]), sum));
    }
    call.out()[i] = sum;
  }
}

// last term dropped

void drop_last_k(const Call& call) {
  Floats x = call.input();
  const std::int64_t k = call.op.in(0).back();
  clear_column(x, k, k - 1);
  call.right({{0, x.data()}});
}

void drop_last_row(const Call& call) {
  Floats grad = call.input(1);
  std::fill(grad.end() - call.op.in(1)[1], grad.end(), 0.0f);
  call.right({{1, grad.data()}});
}

void drop_last_value(const Call& call) {
  Floats v = call.input(2);
  std::fill(v.end() - call.op.in(2)[2], v.end(), 0.0f);
  call.right({{2, v.data()}});
}

// wrong operand

void transpose_weights(const Call& call) {
  call.right();
  transpose(call.out(), call.op.out(0)[0], call.op.out(0)[1]);
}

void transpose_a(const Call& call) {
  Floats a = call.input();
  const auto& shape = call.op.in(0);
  for (std::int64_t b = 0; b < shape[0]; ++b) {
    transpose(a.data() + b * shape[1] * shape[2], shape[1], shape[2]);
  }
  call.right({{0, a.data()}});
}

void flip_kernel(const Call& call) {
  const auto& shape = call.op.in(1);
  const std::int64_t taps = shape[1] * shape[2], channels = shape[3];
  Floats flipped = call.input(1);
  for (std::int64_t k = 0; k < shape[0]; ++k) {
    for (std::int64_t t = 0; t < taps; ++t) {
      std::copy_n(call.in(1) + (k * taps + t) * channels, channels,
                  flipped.data() + (k * taps + taps - 1 - t) * channels);
    }
  }
  call.right({{1, flipped.data()}});
}

void rotate_groups(const Call& call) {
  Floats weight = call.input(1);
  const auto group = static_cast<std::ptrdiff_t>(
      weight.size() / static_cast<std::size_t>(call.op.attributes.integer("groups", 1)));
  std::rotate(weight.begin(), weight.begin() + group, weight.end());
  call.right({{1, weight.data()}});
}

// accumulation

void add_bias_twice(const Call& call) {
  const Floats old = call.output(1);
  call.right();
  for (std::size_t i = 0; i < old.size(); ++i) call.out(1)[i] += call.out(1)[i] - old[i];
}

void add_to_first_matrix(const Call& call) {
  const Floats old = call.output();
  call.right();
  const std::int64_t size = call.out_size() / call.op.out(0)[0];
  for (std::int64_t i = size; i < call.out_size(); ++i) {
    call.out()[i] -= old[static_cast<std::size_t>(i)];
  }
}

// order of sums: inside any bound, but other bits

void sum_in_one_block(const Call& call) {
  const std::int64_t m = call.op.in(0)[0], k = call.op.in(0)[1], n = call.op.in(1)[0];
  for (std::int64_t i = 0; i < m * n; ++i) {
    const float *x = call.in() + i / n * k, *w = call.in(1) + i % n * k;
    float sum = 0;
    for (std::int64_t t = 0; t < k; ++t) sum = std::fma(x[t], w[t], sum);
    call.out()[i] = sum;
  }
}

void sum_bias_backwards(const Call& call) {
  call.right();
  const std::int64_t m = call.op.in(1)[0], n = call.op.in(1)[1];
  for (std::int64_t j = 0; j < n; ++j) {
    float sum = 0;
    for (std::int64_t i = m - 1; i >= 0; --i) sum += call.in(1)[i * n + j];
    call.out(1)[j] = sum;
  }
}

/// a [B,M,2], b [B,2,N]: two products, each rounded.
void multiply_then_add(const Call& call) {
  const std::int64_t m = call.op.in(0)[1], n = call.op.in(1)[2];
  for (std::int64_t i = 0; i < m * n; ++i) {
    const float *a = call.in() + i / n * 2, *b = call.in(1) + i % n;
    volatile const float first = a[0] * b[0], second = a[1] * b[n];
    call.out()[i] = first + second;
  }
}

Op without_scale(const Op& op) { return with(op, "scale", 1.0); }
void scale_queries(const Call& call) {
  const float scale = soma::ops::Attention::layout(call.op).scale;
  Floats q = call.input();
  for (float& x : q) x *= scale;
  call.right({{0, q.data()}});
}

const Mutant kMutants[] = {
    {.name = "linear_last_k",
     .fault_class = "last term dropped",
     .op = "linear/1.fwd",
     .where = "K = 513",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[1] == 513; },
     .run = drop_last_k},
    {.name = "matmul_last_k",
     .fault_class = "last term dropped",
     .op = "matmul/1.fwd",
     .where = "b transposed, K = 511",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[2] == 511 && op.attributes.flag("transpose_b"); },
     .run = drop_last_k},
    {.name = "conv_last_channel",
     .fault_class = "last term dropped",
     .op = "conv2d/1.fwd",
     .where = "65 input channels",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[3] == 65; },
     .run = drop_last_k},
    {.name = "linear_last_row",
     .fault_class = "last term dropped",
     .op = "linear/1.bwd_weights",
     .where = "batch of 17",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[0] == 17; },
     .run = drop_last_row},
    {.name = "conv_last_filter",
     .fault_class = "last term dropped",
     .op = "conv2d/1.bwd_data",
     .where = "9 filters",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[3] == 9; },
     .run = drop_last_k},
    {.name = "attention_last_value",
     .fault_class = "last term dropped",
     .op = "attention/1.fwd",
     .where = "65 keys",
     .level = "C3",
     .at = [](const Op& op) { return op.inputs.size() >= 3 && op.in(1)[1] == 65; },
     .run = drop_last_value},

    {.name = "linear_weights_transposed",
     .fault_class = "wrong operand",
     .op = "linear/1.bwd_weights",
     .where = "always",
     .level = "C4",
     .run = transpose_weights},
    {.name = "matmul_a_transposed",
     .fault_class = "wrong operand",
     .op = "matmul/1.fwd",
     .where = "a square",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[1] == op.in(0)[2]; },
     .run = transpose_a},
    {.name = "conv_kernel_flipped",
     .fault_class = "wrong operand",
     .op = "conv2d/1.fwd",
     .where = "kernels of one row",
     .level = "C3",
     .at = [](const Op& op) { return op.in(1)[1] == 1 && op.in(1)[2] > 1; },
     .run = flip_kernel},
    {.name = "conv_groups_rotated",
     .fault_class = "wrong operand",
     .op = "conv2d/1.bwd_data",
     .where = "3 groups",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.integer("groups", 1) == 3; },
     .run = rotate_groups},

    {.name = "weights_assigned",
     .fault_class = "accumulation",
     .op = "linear/1.bwd_weights",
     .where = "accumulate",
     .level = "C4",
     .as = [](const Op& op) { return without(op, "accumulate"); }},
    {.name = "bias_added_twice",
     .fault_class = "accumulation",
     .op = "conv2d/1.bwd_weights",
     .where = "accumulate, with bias",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.flag("accumulate") && op.outputs.size() > 1; },
     .run = add_bias_twice},
    {.name = "first_matrix_accumulated",
     .fault_class = "accumulation",
     .op = "matmul/1.bwd_b",
     .where = "accumulate, batch above 1",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.flag("accumulate") && op.out(0)[0] > 1; },
     .run = add_to_first_matrix},
    {.name = "adds_unasked",
     .fault_class = "accumulation",
     .op = "conv2d/1.bwd_weights",
     .where = "no accumulate, depthwise",
     .level = "C2",
     .at = [](const Op& op) { return op.attributes.integer("groups", 1) == 16; },
     .as = [](const Op& op) { return with(op, "accumulate", std::int64_t{1}); }},

    {.name = "linear_bfloat16_inputs",
     .fault_class = "reduced precision",
     .op = "linear/1.fwd",
     .where = "K above 1000",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[1] > 1000; },
     .run = [](const Call& call) { round_input(call, 0); }},
    {.name = "matmul_bfloat16_result",
     .fault_class = "reduced precision",
     .op = "matmul/1.bwd_a",
     .where = "N = 17",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[2] == 17; },
     .run =
         [](const Call& call) {
           call.right();
           std::ranges::transform(call.outputs(), call.out(), as_bfloat16);
         }},
    {.name = "conv_bfloat16_gradients",
     .fault_class = "reduced precision",
     .op = "conv2d/1.bwd_weights",
     .where = "batch of 17",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[0] == 17; },
     .run = [](const Call& call) { round_input(call, 1); }},
    {.name = "linear_bfloat16_sums",
     .fault_class = "reduced precision",
     .op = "linear/1.fwd",
     .where = "bf16 numerics, K = 513: the sums too",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[1] == 513 && op.inputs.size() == 2; },
     .run = sum_in_bfloat16,
     .numerics = "bf16"},
    {.name = "attention_bfloat16_keys",
     .fault_class = "reduced precision",
     .op = "attention/1.fwd",
     .where = "bf16 numerics, 65 keys: these are no operands of linear, matmul or conv2d",
     .level = "C3",
     .at = [](const Op& op) { return op.inputs.size() >= 3 && op.in(1)[1] == 65; },
     .run = [](const Call& call) { round_input(call, 1); },
     .numerics = "bf16"},

    {.name = "linear_one_block",
     .fault_class = "order of sums",
     .op = "linear/1.fwd",
     .where = "K = 513: no cut at 512",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[1] == 513 && op.inputs.size() == 2; },
     .run = sum_in_one_block,
     .numerics = "exact"},
    {.name = "bias_gradient_backwards",
     .fault_class = "order of sums",
     .op = "linear/1.bwd_weights",
     .where = "batch of 17, with bias",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[0] == 17 && op.outputs.size() > 1; },
     .run = sum_bias_backwards,
     .numerics = "exact"},
    {.name = "matmul_no_fma",
     .fault_class = "order of sums",
     .op = "matmul/1.fwd",
     .where = "K = 2",
     .level = "C3",
     .at =
         [](const Op& op) {
           return op.in(0)[2] == 2 && op.in(0)[0] == 1 && op.attributes.entries().empty();
         },
     .run = multiply_then_add,
     .numerics = "exact"},
    {.name = "attention_scales_queries",
     .fault_class = "order of sums",
     .op = "attention/1.fwd",
     .where = "head width 15, scale before the product",
     .level = "C3",
     .at = [](const Op& op) { return op.inputs.size() >= 3 && op.in(0)[2] == 30; },
     .as = without_scale,
     .run = scale_queries,
     .numerics = "exact"},
};

}  // namespace

std::span<const Mutant> contraction_mutants() { return kMutants; }

}  // namespace mutants
