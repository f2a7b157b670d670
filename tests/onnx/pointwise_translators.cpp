#include <limits>

#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/prelu.hpp"
#include "soma/sdk/ops/softmax.hpp"
#include "translation.hpp"

namespace soma::onnx_tests {
namespace {

void insist_on_floats(const Node& node) {
  for (const auto& input : node.inputs) {
    if (input && input->integral) throw NotHere("whole numbers");
  }
}

Tensor applied(const Machine& machine, const ops::Activation& activation, const Tensor& x) {
  return machine(activation.forward(shape_of(x), Purpose::infer), {x});
}

ops::Activation activation_of(const Node& node) {
  if (node.op == "LeakyRelu") return ops::Activation::leaky_relu(node.real("alpha", 0.01f));
  if (node.op == "Elu") return ops::Activation::elu(node.real("alpha", 1));
  if (node.op == "HardSigmoid") {
    return ops::Activation::hard_sigmoid(node.real("alpha", 0.2f), node.real("beta", 0.5f));
  }
  if (node.op == "Gelu") {
    return node.text("approximate", "none") == "tanh" ? ops::Activation::gelu_tanh()
                                                      : ops::Activation{"gelu"};
  }
  constexpr double kAlpha = 1.6732632423543772, kGamma = 1.0507009873554805;
  const bool usual = std::abs(node.real("alpha", 1.6732632f) - kAlpha) < 1e-6 &&
                     std::abs(node.real("gamma", 1.050701f) - kGamma) < 1e-6;
  if (node.op == "Selu" && !usual) throw NotHere("constants that are not those of the paper");
  constexpr std::pair<std::string_view, const char*> kNames[] = {{"Relu", "relu"},
                                                                 {"Sigmoid", "sigmoid"},
                                                                 {"Tanh", "tanh"},
                                                                 {"Selu", "selu"},
                                                                 {"Softplus", "softplus"},
                                                                 {"Softsign", "softsign"},
                                                                 {"HardSwish", "hard_swish"},
                                                                 {"Exp", "exp"},
                                                                 {"Log", "log"},
                                                                 {"Abs", "abs"},
                                                                 {"Sqrt", "sqrt"},
                                                                 {"Mish", "mish"}};
  for (const auto& [onnx, name] : kNames) {
    if (onnx == node.op) return {name};
  }
  throw NotHere("no such function");
}

std::vector<Tensor> activation(const Machine& machine, const Node& node) {
  insist_on_floats(node);
  return {applied(machine, activation_of(node), node.in(0))};
}

std::vector<Tensor> clip(const Machine& machine, const Node& node) {
  insist_on_floats(node);
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float low = node.has(1) ? node.in(1).f[0] : node.real("min", -kInfinity);
  const float high = node.has(2) ? node.in(2).f[0] : node.real("max", kInfinity);
  if (!(low <= high)) throw NotHere("a lower bound above the upper one");
  return {applied(machine, ops::Activation::clip(low, high), node.in(0))};
}

/// Slopes for the last axis, for all, or for the channels behind the batch.
std::vector<Tensor> prelu(const Machine& machine, const Node& node) {
  const Tensor &x = node.in(0), &slope = node.in(1);
  const std::int64_t slopes = count(slope.dims);
  const Tensor flat = slope.reshaped({slopes});
  const auto apply = [&](const Tensor& t) {
    return machine(ops::PRelu::forward(shape_of(t), Shape{slopes}, Purpose::infer), {t, flat});
  };
  if (slopes == 1 || (slope.dims.back() == x.dims.back() && slopes == x.dims.back())) {
    return {apply(x)};
  }
  return {apply(x.channels_last()).channels_first()};
}

/// Over one axis; up to opset 12 over all from the axis on.
template <class Family>
std::vector<Tensor> softmax(const Machine& machine, const Node& node) {
  const Tensor& x = node.in(0);
  const bool joined = node.opset < 13;
  const std::size_t axis = x.axis(node.integer("axis", joined ? 1 : -1));
  if (joined) {
    const std::int64_t rows = count(Dims(x.dims.begin(), x.dims.begin() + static_cast<long>(axis)));
    const Tensor flat = x.reshaped({rows, count(x.dims) / rows});
    return {machine(Family::forward(shape_of(flat), Purpose::infer), {flat}).reshaped(x.dims)};
  }
  std::vector<std::size_t> order, back(x.dims.size());
  for (std::size_t k = 0; k < x.dims.size(); ++k) {
    if (k != axis) order.push_back(k);
  }
  order.push_back(axis);
  for (std::size_t k = 0; k < order.size(); ++k) back[order[k]] = k;
  const Tensor last = x.permuted(order);
  const Tensor flat = last.reshaped({count(x.dims) / x.dims[axis], x.dims[axis]});
  const Tensor y = machine(Family::forward(shape_of(flat), Purpose::infer), {flat});
  return {y.reshaped(last.dims).permuted(back)};
}

using Binary = Op (*)(const Shape&, const Shape&, Purpose);

Tensor combined(const Machine& machine, Binary op, const Tensor& a, const Tensor& b) {
  const Dims dims = broadcast(a.dims, b.dims);
  const Shape shape{std::span<const std::int64_t>(dims)};
  return machine(op(shape, shape, Purpose::infer), {a.expanded(dims), b.expanded(dims)});
}

/// Of two inputs or, for Sum, any number.
template <Binary op>
std::vector<Tensor> binary(const Machine& machine, const Node& node) {
  insist_on_floats(node);
  if (node.opset < 7 && node.integer("broadcast", 0) != 0) throw NotHere("an old broadcast");
  Tensor y = node.in(0);
  for (std::size_t k = 1; k < node.inputs.size(); ++k) y = combined(machine, op, y, node.in(k));
  return {y};
}

std::vector<Tensor> negate(const Machine& machine, const Node& node) {
  insist_on_floats(node);
  const ops::Scale scale{.factor = -1, .offset = 0};
  return {machine(scale.forward(shape_of(node.in(0)), Purpose::infer), {node.in(0)})};
}

std::vector<Tensor> mean(const Machine& machine, const Node& node) {
  const Tensor sum = binary<&ops::Add::forward>(machine, node)[0];
  const ops::Scale scale{.factor = 1.0 / static_cast<double>(node.inputs.size()), .offset = 0};
  return {machine(scale.forward(shape_of(sum), Purpose::infer), {sum})};
}

}  // namespace

std::span<const Translator> pointwise_translators() {
  static constexpr Translator kAll[] = {{"Relu", &activation},
                                        {"LeakyRelu", &activation},
                                        {"Elu", &activation},
                                        {"Selu", &activation},
                                        {"Sigmoid", &activation},
                                        {"Tanh", &activation},
                                        {"Gelu", &activation},
                                        {"HardSigmoid", &activation},
                                        {"HardSwish", &activation},
                                        {"Softplus", &activation},
                                        {"Softsign", &activation},
                                        {"Mish", &activation},
                                        {"Exp", &activation},
                                        {"Log", &activation},
                                        {"Abs", &activation},
                                        {"Sqrt", &activation},
                                        {"Clip", &clip},
                                        {"PRelu", &prelu},
                                        {"Softmax", &softmax<ops::Softmax>},
                                        {"LogSoftmax", &softmax<ops::LogSoftmax>},
                                        {"Add", &binary<&ops::Add::forward>},
                                        {"Sum", &binary<&ops::Add::forward>},
                                        {"Sub", &binary<&ops::Subtract::forward>},
                                        {"Mul", &binary<&ops::Multiply::forward>},
                                        {"Neg", &negate},
                                        {"Mean", &mean}};
  return kAll;
}

}  // namespace soma::onnx_tests
