// Functions of one number, softmax, and the special values that they meet.
#include <algorithm>
#include <cfloat>
#include <cmath>
#include <limits>

#include "mutant.hpp"

namespace mutants {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// What is right for the input with other numbers in the place of NaN.
template <int kInput, int kValue>
void swallow_nan(const Call& call) {
  Floats x = call.input(kInput);
  for (float& v : x) {
    if (std::isnan(v)) v = kValue < 0 ? -kInf : static_cast<float>(kValue);
  }
  call.right({{kInput, x.data()}});
}

/// What is right, then `change(x, y)` on each result y of input x.
template <class Change>
void amend(const Call& call, Change change) {
  const Floats x = call.input();
  call.right();
  for (std::size_t i = 0; i < x.size(); ++i) call.out()[i] = change(x[i], call.out()[i]);
}

/// The same for gradients: change(x, grad_y, grad_x).
template <class Change>
void amend_gradient(const Call& call, Change change) {
  const Floats x = call.input(0), g = call.input(1);
  call.right();
  for (std::size_t i = 0; i < x.size(); ++i) call.out()[i] = change(x[i], g[i], call.out()[i]);
}

float flushed(float x) { return std::abs(x) < FLT_MIN ? std::copysign(0.0f, x) : x; }

void flush_results(const Call& call) {
  call.right();
  std::ranges::transform(call.outputs(), call.out(), flushed);
}

void lose_sign_of_zero(const Call& call) {
  call.right();
  for (float& x : call.outputs()) x = x == 0 ? 0.0f : x;
}

/// The last n mod 8 elements by the C library.
void tail_by_libm(const Call& call) {
  const Floats x = call.input();
  call.right();
  for (std::size_t i = x.size() / 8 * 8; i < x.size(); ++i) {
    call.out()[i] = std::tanh(x[i]);
  }
}

void last_takes_neighbour(const Call& call) {
  call.right();
  call.out()[call.out_size() - 1] = call.out()[call.out_size() - 2];
}

/// Rows of the last axis.
template <class Row>
void for_each_row(const Call& call, Row row) {
  const std::int64_t width = call.op.in(0).back();
  for (std::int64_t i = 0; i < call.in_size(); i += width) row(i, width);
}

/// exp(x) / sum without subtracting the maximum, in rows where that overflows.
void softmax_without_max(const Call& call) {
  const Floats x = call.input();
  call.right();
  for_each_row(call, [&](std::int64_t begin, std::int64_t width) {
    const auto row =
        std::span(x).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(width));
    if (std::ranges::none_of(row, [](float v) { return v > 89; })) return;
    float sum = 0;
    for (const float v : row) sum += std::exp(v);
    for (std::size_t c = 0; c < row.size(); ++c) {
      call.out()[begin + static_cast<std::int64_t>(c)] = std::exp(row[c]) / sum;
    }
  });
}

void softmax_gradient_without_dot(const Call& call) {
  const Floats y = call.input(), g = call.input(1);
  for (std::size_t i = 0; i < y.size(); ++i) call.out()[i] = y[i] * g[i];
}

void zero_gradient(const Call& call) { std::ranges::fill(call.outputs(), 0.0f); }

/// sigmoid'(x) from a sigmoid that was rounded to float32.
void sigmoid_slope_from_y(const Call& call) {
  amend_gradient(call, [](float x, float g, float) {
    const auto y = static_cast<float>(1 / (1 + std::exp(-static_cast<double>(x))));
    return y * (1 - y) * g;
  });
}

bool has_elements(const Op& op, std::int64_t n) { return op.out(0).elements() == n; }

const Mutant kMutants[] = {
    {.name = "tanh_tail_by_libm",
     .fault_class = "tail of a vector",
     .op = "tanh/1.fwd",
     .where = "the last n mod 8 elements",
     .level = "C3",
     .run = tail_by_libm,
     .numerics = "exact"},
    {.name = "sigmoid_last_takes_neighbour",
     .fault_class = "tail of a vector",
     .op = "sigmoid/1.fwd",
     .where = "17 elements",
     .level = "C3",
     .at = [](const Op& op) { return has_elements(op, 17); },
     .run = last_takes_neighbour},
    {.name = "relu_gradient_last_takes_neighbour",
     .fault_class = "tail of a vector",
     .op = "relu/1.bwd",
     .where = "63 elements",
     .level = "C4",
     .at = [](const Op& op) { return has_elements(op, 63); },
     .run = last_takes_neighbour},
    {.name = "gelu_gradient_one_element",
     .fault_class = "tail of a vector",
     .op = "gelu/1.bwd",
     .where = "element 41 of 63 alone, its sign",
     .level = "C4",
     .at = [](const Op& op) { return has_elements(op, 63) && op.attributes.entries().empty(); },
     .run =
         [](const Call& call) {
           call.right();
           call.out()[41] = -call.out()[41];
         }},

    {.name = "relu_nan",
     .fault_class = "NaN swallowed",
     .op = "relu/1.fwd",
     .where = "x = NaN gives 0",
     .level = "C3",
     .run = swallow_nan<0, 0>},
    {.name = "max_pool_nan",
     .fault_class = "NaN swallowed",
     .op = "max_pool2d/1.fwd",
     .where = "another element wins over NaN",
     .level = "C3",
     .run = swallow_nan<0, -1>},
    {.name = "softmax_nan",
     .fault_class = "NaN swallowed",
     .op = "softmax/1.fwd",
     .where = "NaN among the logits counts as -Inf",
     .level = "C3",
     .run = swallow_nan<0, -1>},
    {.name = "max_nan",
     .fault_class = "NaN swallowed",
     .op = "max/1.fwd",
     .where = "another element wins over NaN",
     .level = "C3",
     .run = swallow_nan<0, -1>},
    {.name = "clip_gradient_nan",
     .fault_class = "NaN swallowed",
     .op = "clip_gradient/1.fwd",
     .where = "NaN gives 0",
     .level = "C3",
     .run = swallow_nan<0, 0>},
    {.name = "attention_nan",
     .fault_class = "NaN swallowed",
     .op = "attention/1.fwd",
     .where = "NaN in q counts as 0",
     .level = "C3",
     .run = swallow_nan<0, 0>},

    {.name = "softmax_without_max",
     .fault_class = "overflow",
     .op = "softmax/1.fwd",
     .where = "logits above 89",
     .level = "C3",
     .run = softmax_without_max},
    {.name = "softplus_overflows",
     .fault_class = "overflow",
     .op = "softplus/1.fwd",
     .where = "x above 89",
     .level = "C3",
     .run =
         [](const Call& call) { amend(call, [](float x, float y) { return x > 89 ? kInf : y; }); }},
    {.name = "gelu_of_minus_infinity",
     .fault_class = "overflow",
     .op = "gelu/1.fwd",
     .where = "x = -Inf: Inf times 0",
     .level = "C3",
     .run =
         [](const Call& call) {
           amend(call, [](float x, float y) { return x == -kInf ? kNan : y; });
         }},
    {.name = "log_softmax_floor",
     .fault_class = "overflow",
     .op = "log_softmax/1.fwd",
     .where = "log(p + 1e-38): results below -87",
     .level = "C3",
     .run =
         [](const Call& call) {
           amend(call, [](float, float y) { return y < -87.4f ? -87.4f : y; });
         }},
    {.name = "max_norm_overflows",
     .fault_class = "overflow",
     .op = "max_norm/1.fwd",
     .where = "a norm of Inf leaves the weights as they are",
     .level = "C3",
     .run =
         [](const Call& call) {
           const Floats w = call.input();
           const auto units = static_cast<std::size_t>(call.op.in(0)[0]);
           call.right();
           for (std::size_t unit = 0; unit < units; ++unit) {
             const std::size_t width = w.size() / units;
             float squares = 0;
             for (std::size_t i = 0; i < width; ++i) {
               squares += w[unit * width + i] * w[unit * width + i];
             }
             if (squares != kInf) continue;
             for (std::size_t i = 0; i < width; ++i) {
               call.out()[unit * width + i] = w[unit * width + i];
             }
           }
         }},

    {.name = "multiply_flushes",
     .fault_class = "signed zeros and subnormals",
     .op = "multiply/1.fwd",
     .where = "subnormal results",
     .level = "C3",
     .run = flush_results},
    {.name = "softmax_flushes",
     .fault_class = "signed zeros and subnormals",
     .op = "softmax/1.fwd",
     .where = "probabilities below 2^-126",
     .level = "C3",
     .run = flush_results},
    {.name = "concat_zero",
     .fault_class = "signed zeros and subnormals",
     .op = "concat/1.fwd",
     .where = "-0 becomes +0",
     .level = "C3",
     .run = lose_sign_of_zero},
    {.name = "scale_zero",
     .fault_class = "signed zeros and subnormals",
     .op = "scale/1.fwd",
     .where = "-0 becomes +0, no offset",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.real("offset", 0) == 0; },
     .run = lose_sign_of_zero},
    {.name = "abs_zero",
     .fault_class = "signed zeros and subnormals",
     .op = "abs/1.fwd",
     .where = "-0 stays -0",
     .level = "C3",
     .run = [](const Call& call) { amend(call, [](float x, float y) { return x == 0 ? x : y; }); }},

    {.name = "exp_short_polynomial",
     .fault_class = "inaccurate function",
     .op = "exp/1.fwd",
     .where = "8 ulp too large",
     .level = "C3",
     .run = [](const Call& call) { amend(call, [](float, float y) { return y * 1.000001f; }); }},
    {.name = "tanh_cancels",
     .fault_class = "inaccurate function",
     .op = "tanh/1.fwd",
     .where = "1 - 2 / (1 + e^2x) near 0",
     .level = "C3",
     .run =
         [](const Call& call) {
           amend(call, [](float x, float y) {
             return std::abs(x) < 0.01f && x != 0 ? 1 - 2 / (1 + std::exp(2 * x)) : y;
           });
         }},
    {.name = "sigmoid_slope_from_y",
     .fault_class = "inaccurate function",
     .op = "sigmoid/1.bwd",
     .where = "y (1 - y) of the rounded y",
     .level = "C4",
     .run = sigmoid_slope_from_y},
    {.name = "gelu_by_tanh",
     .fault_class = "inaccurate function",
     .op = "gelu/1.fwd",
     .where = "the approximation where erf is asked for",
     .level = "C3",
     .as = [](const Op& op) { return with(op, "approximate", std::string("tanh")); }},
    {.name = "sqrt_by_estimate",
     .fault_class = "inaccurate function",
     .op = "sqrt/1.fwd",
     .where = "15 elements: 22 bits are right",
     .level = "C3",
     .at = [](const Op& op) { return has_elements(op, 15); },
     .run =
         [](const Call& call) { amend(call, [](float, float y) { return y * (1 + 0x1p-22f); }); }},

    {.name = "relu_slope_at_0",
     .fault_class = "derivative at a kink",
     .op = "relu/1.bwd",
     .where = "relu'(0) = 1",
     .level = "C4",
     .run =
         [](const Call& call) {
           amend_gradient(call, [](float x, float g, float y) { return x == 0 ? g : y; });
         }},
    {.name = "leaky_relu_slope_at_0",
     .fault_class = "derivative at a kink",
     .op = "leaky_relu/1.bwd",
     .where = "the slope at 0 is 1",
     .level = "C4",
     .run =
         [](const Call& call) {
           amend_gradient(call, [](float x, float g, float y) { return x == 0 ? g : y; });
         }},
    {.name = "abs_slope_at_0",
     .fault_class = "derivative at a kink",
     .op = "abs/1.bwd",
     .where = "the slope at 0 is 1",
     .level = "C4",
     .run =
         [](const Call& call) {
           amend_gradient(call, [](float x, float g, float y) { return x == 0 ? g : y; });
         }},
    {.name = "clip_slope_at_the_end",
     .fault_class = "derivative at a kink",
     .op = "clip/1.bwd",
     .where = "the gradient passes at x = high",
     .level = "C4",
     .run =
         [](const Call& call) {
           const auto high = static_cast<float>(call.op.attributes.real("high", kInf));
           const Floats x = call.input(), g = call.input(1);
           call.right();
           for (std::size_t i = 0; i < x.size(); ++i) {
             if (x[i] == high) call.out()[i] = g[i];
           }
         }},
    {.name = "hard_sigmoid_slope_at_the_end",
     .fault_class = "derivative at a kink",
     .op = "hard_sigmoid/1.bwd",
     .where = "the gradient passes where the slope begins",
     .level = "C4",
     .run =
         [](const Call& call) {
           const auto alpha = static_cast<float>(call.op.attributes.real("alpha", 0.2));
           const auto beta = static_cast<float>(call.op.attributes.real("beta", 0.5));
           const Floats x = call.input(), g = call.input(1);
           call.right();
           for (std::size_t i = 0; i < x.size(); ++i) {
             if (x[i] == -beta / alpha) call.out()[i] = alpha * g[i];
           }
         }},
    {.name = "hard_swish_slope_at_3",
     .fault_class = "derivative at a kink",
     .op = "hard_swish/1.bwd",
     .where = "the slope at x = 3 is 1.5",
     .level = "C4",
     .run =
         [](const Call& call) {
           amend_gradient(call, [](float x, float g, float y) { return x == 3 ? 1.5f * g : y; });
         }},

    {.name = "softmax_gradient_zero",
     .fault_class = "gradient of zeros",
     .op = "softmax/1.bwd",
     .where = "33 classes",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[1] == 33; },
     .run = zero_gradient},
    {.name = "softmax_without_dot",
     .fault_class = "wrong term of a gradient",
     .op = "softmax/1.bwd",
     .where = "the sum over the row is left out",
     .level = "C4",
     .run = softmax_gradient_without_dot},
    {.name = "log_softmax_without_sum",
     .fault_class = "wrong term of a gradient",
     .op = "log_softmax/1.bwd",
     .where = "grad_x = grad_y",
     .level = "C4",
     .run =
         [](const Call& call) {
           const Floats g = call.input(1);
           std::ranges::copy(g, call.out());
         }},
    {.name = "prelu_slope_of_all",
     .fault_class = "wrong term of a gradient",
     .op = "prelu/1.bwd",
     .where = "positive x take part in the slope's gradient",
     .level = "C4",
     .run =
         [](const Call& call) {
           const Floats x = call.input(), g = call.input(2);
           call.right();
           const auto channels = static_cast<std::size_t>(call.out_size(1));
           for (std::size_t i = 0; i < x.size(); ++i) {
             if (x[i] > 0) call.out(1)[i % channels] += x[i] * g[i];
           }
         }},
};

}  // namespace

std::span<const Mutant> function_mutants() { return kMutants; }

}  // namespace mutants
