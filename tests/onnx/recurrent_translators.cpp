#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/recurrent.hpp"
#include "translation.hpp"

namespace soma::onnx_tests {
namespace {

/// What the three have in common: the operands batch first, gates in the product's order.
struct Sequence {
  std::int64_t steps, batch, units;
  Tensor xw, u, h0, c0;               // xw holds the products of the inputs with their weights
  std::vector<float> bias_w, bias_u;  // [gates * units]
};

/// Rows of [gates * H, ...] in another order of gates.
std::vector<float> reordered(const std::vector<float>& rows, const std::vector<int>& order) {
  const std::size_t gate = rows.size() / order.size();
  std::vector<float> to;
  for (const int from : order) {
    const auto begin = rows.begin() + static_cast<std::ptrdiff_t>(gate) * from;
    to.insert(to.end(), begin, begin + static_cast<std::ptrdiff_t>(gate));
  }
  return to;
}

Sequence sequence_of(const Machine& machine, const Node& node, const std::vector<int>& order) {
  if (node.text("direction", "forward") != "forward" || node.has(7) ||
      node.text_lists.contains("activations") || node.reals.contains("clip")) {
    throw NotHere("directions, peepholes or other functions");
  }
  const bool batch_first = node.integer("layout", 0) == 1;
  const Tensor x = batch_first ? node.in(0) : node.in(0).permuted({1, 0, 2});
  const std::int64_t gates = static_cast<std::int64_t>(order.size());
  Sequence s;
  s.batch = x.dims[0];
  s.steps = x.dims[1];
  s.units = node.integer("hidden_size", 0);
  const std::int64_t rows = gates * s.units, inputs = x.dims[2];
  const Tensor w = Tensor::floats({rows, inputs}, reordered(node.in(1).f, order));
  const Tensor flat = x.reshaped({s.batch * s.steps, inputs});
  s.xw = machine(ops::Linear{}.forward(shape_of(flat), shape_of(w), Purpose::infer), {flat, w})
             .reshaped({s.batch, s.steps, rows});
  s.u = Tensor::floats({rows, s.units}, reordered(node.in(2).f, order));
  const auto half = static_cast<std::size_t>(rows);
  s.bias_w.assign(half, 0);
  s.bias_u.assign(half, 0);
  if (node.has(3)) {
    const std::vector<float>& both = node.in(3).f;
    s.bias_w = reordered({both.begin(), both.begin() + rows}, order);
    s.bias_u = reordered({both.begin() + rows, both.end()}, order);
  }
  if (node.has(4)) {
    for (const std::int64_t length : node.in(4).i) {
      if (length != s.steps) throw NotHere("sequences of several lengths");
    }
  }
  const auto state = [&](std::size_t input) {
    return node.has(input) ? node.in(input).reshaped({s.batch, s.units})
                           : Tensor::filled({s.batch, s.units}, 0);
  };
  s.h0 = state(5);
  s.c0 = state(6);
  return s;
}

std::vector<float> sum(std::vector<float> a, const std::vector<float>& b) {
  for (std::size_t k = 0; k < a.size(); ++k) a[k] += b[k];
  return a;
}

/// Y and Y_h as ONNX lays them out, from h [N,T,H].
std::vector<Tensor> results(const Node& node, const Sequence& s, const Tensor& h) {
  const bool batch_first = node.integer("layout", 0) == 1;
  Tensor last = Tensor::filled({s.batch, s.units}, 0);
  for (std::int64_t n = 0; n < s.batch; ++n) {
    std::copy_n(h.f.begin() + (n * s.steps + s.steps - 1) * s.units, s.units,
                last.f.begin() + n * s.units);
  }
  const Tensor y = batch_first ? h.reshaped({s.batch, s.steps, 1, s.units})
                               : h.permuted({1, 0, 2}).reshaped({s.steps, 1, s.batch, s.units});
  return {y, last.reshaped(batch_first ? Dims{s.batch, 1, s.units} : Dims{1, s.batch, s.units})};
}

std::vector<Tensor> rnn(const Machine& machine, const Node& node) {
  const Sequence s = sequence_of(machine, node, {0});
  const Tensor bias = Tensor::floats({s.units}, sum(s.bias_w, s.bias_u));
  const Op op = ops::Rnn{}.forward(shape_of(s.xw), Purpose::infer);
  return results(node, s, machine(op, {s.xw, s.u, bias, s.h0}));
}

/// ONNX's gates are i, o, f, c.
std::vector<Tensor> lstm(const Machine& machine, const Node& node) {
  const Sequence s = sequence_of(machine, node, {0, 2, 3, 1});
  const Tensor bias = Tensor::floats({4 * s.units}, sum(s.bias_w, s.bias_u));
  const Op op = ops::Lstm{}.forward(shape_of(s.xw), Purpose::infer);
  return results(node, s, machine(op, {s.xw, s.u, bias, s.h0, s.c0}));
}

/// ONNX's gates are z, r, h. Its reset comes before the product unless linear_before_reset is set;
/// the two forms agree where nothing but a single step from a state of zeros is taken.
std::vector<Tensor> gru(const Machine& machine, const Node& node) {
  const Sequence s = sequence_of(machine, node, {1, 0, 2});
  if (node.integer("linear_before_reset", 0) == 0) {
    const bool any_bias = std::ranges::any_of(s.bias_u, [](float b) { return b != 0; });
    if (s.steps != 1 || node.has(5) || any_bias) throw NotHere("a reset before the product");
  }
  std::vector<float> bias = s.bias_w;
  for (std::int64_t k = 0; k < 2 * s.units; ++k) {
    bias[static_cast<std::size_t>(k)] += s.bias_u[static_cast<std::size_t>(k)];
  }
  const std::vector<float> of_new(s.bias_u.end() - s.units, s.bias_u.end());
  const Op op = ops::Gru{}.forward(shape_of(s.xw), Purpose::infer);
  return results(node, s,
                 machine(op, {s.xw, s.u, Tensor::floats({3 * s.units}, bias),
                              Tensor::floats({s.units}, of_new), s.h0}));
}

}  // namespace

std::span<const Translator> recurrent_translators() {
  static constexpr Translator kAll[] = {{"RNN", &rnn}, {"LSTM", &lstm}, {"GRU", &gru}};
  return kAll;
}

}  // namespace soma::onnx_tests
