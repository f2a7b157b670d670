#include "model/layer_tools.hpp"
#include "soma/philox.hpp"
#include "soma/sdk/ops/arrangement.hpp"
#include "soma/sdk/ops/dropout.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma {
namespace {

/// One direction of one layer of a stack.
struct Place {
  std::string prefix;  // of the names of its parameters: "l0.", "l0_reverse."
  bool reverse;
  std::int64_t units;
  std::int64_t gates;
};

Value zeros(GraphBuilder& graph, const Shape& shape) {
  return graph.leaf(Graph::Source::constant, {DType::f32, shape}, -1, 0, 0.0f);
}

/// x [N,T,I] times the parameter w: [N,T,gates*H], without bias.
Value times_inputs(GraphBuilder& graph, const Place& place, const Value& x) {
  const std::int64_t rows = x.shape[0] * x.shape[1], inputs = x.shape[2];
  const std::int64_t width = place.gates * place.units;
  const Value w = graph.parameter(place.prefix + "w", {width, inputs}, Init::xavier_uniform, inputs,
                                  place.units);
  const Value flat = graph.reshape(x, {rows, inputs});
  const Value product =
      graph.emit_one(ops::Linear{}.forward(flat.shape, w.shape, graph.purpose()), {flat, w});
  return graph.reshape(product, {x.shape[0], x.shape[1], width});
}

Value recurrent_weight(GraphBuilder& graph, const Place& place) {
  return graph.parameter(place.prefix + "u", {place.gates * place.units, place.units},
                         Init::xavier_uniform, place.units, place.units);
}

Value bias_of(GraphBuilder& graph, const Place& place, const char* name, std::int64_t gates) {
  return graph.parameter(place.prefix + name, {gates * place.units}, Init::zeros, place.units,
                         place.units);
}

/// What all recurrent layers are made of, and the number of tensors they keep from step to step.
struct Stack {
  std::string type;
  std::int64_t units, layers, gates;
  bool bidirectional, return_sequences;
  double dropout;
  std::size_t states;
};

template <class Spec>
Stack stack_of(const Spec& spec, std::int64_t gates, std::size_t states) {
  return {std::string(Spec::kType), spec.units,   spec.layers, gates, spec.bidirectional,
          spec.return_sequences,    spec.dropout, states};
}

/// Throws ShapeError for sizes and inputs that do not fit.
void check(const Stack& stack, std::span<const Value> inputs) {
  const auto fail = [&](const std::string& sentence) {
    throw ShapeError(stack.type + ": " + sentence);
  };
  if (stack.units < 1 || stack.layers < 1) fail("units and layers must be 1 or more");
  if (!(stack.dropout >= 0 && stack.dropout <= 1)) {
    fail("dropout: expected a number from 0 to 1, got " + std::to_string(stack.dropout));
  }
  if (inputs.size() != 1 && inputs.size() != 1 + stack.states) {
    fail("expected one input, or " + std::to_string(1 + stack.states) +
         " with the initial state, got " + std::to_string(inputs.size()));
  }
  if (inputs[0].shape.rank() != 3) {
    fail("expected a sequence [N,T,I], got " + inputs[0].shape.str());
  }
  if (!stack.return_sequences && inputs[0].shape[1] == 0) {
    fail("a sequence of no steps has no last state");
  }
  if (inputs.size() > 1 && (stack.layers > 1 || stack.bidirectional)) {
    fail("an initial state can be given to a single layer in one direction only");
  }
  const Shape state{inputs[0].shape[0], stack.units};
  for (const Value& given : inputs.subspan(1)) {
    if (given.shape != state) {
      fail("expected an initial state " + state.str() + ", got " + given.shape.str());
    }
  }
}

Value concat(GraphBuilder& graph, const std::vector<Value>& values) {
  if (values.size() == 1) return values[0];
  std::vector<Shape> shapes;
  for (const Value& value : values) shapes.push_back(value.shape);
  const ops::Concat concat{values[0].shape.rank() - 1};
  return graph.emit(concat.forward(shapes, graph.purpose()), values)[0];
}

/// The state after the last step taken: h [N,T,H] -> [N,H].
Value last_state(GraphBuilder& graph, const Value& h, bool reverse) {
  const std::int64_t t = reverse ? 0 : h.shape[1] - 1;
  const ops::Slice slice{.axis = 1, .begin = t, .end = t + 1};
  const Value last = graph.emit_one(slice.forward(h.shape, graph.purpose()), {h});
  return graph.reshape(last, {h.shape[0], h.shape[2]});
}

Value dropped(GraphBuilder& graph, const Value& x, double rate, const std::string& name) {
  if (rate == 0 || graph.predicts()) return x;
  const ops::Dropout dropout{rate, stream_id(graph.path(name))};
  return graph.emit_one(dropout.forward(x.shape, graph.purpose()), {x, graph.random()});
}

/// Builds all layers and directions; one(place, x, initial states) builds a single one.
template <class One>
Value build_stack(GraphBuilder& graph, const Stack& stack, std::span<const Value> inputs,
                  One&& one) {
  check(stack, inputs);
  std::vector<Value> initial(inputs.begin() + 1, inputs.end());
  if (initial.empty()) {
    initial.assign(stack.states, zeros(graph, {inputs[0].shape[0], stack.units}));
  }
  Value x = inputs[0];
  for (std::int64_t l = 0; l < stack.layers; ++l) {
    const std::string name = "l" + std::to_string(l);
    if (l > 0) x = dropped(graph, x, stack.dropout, name + ".dropout");
    std::vector<Value> outputs;
    for (const bool reverse : {false, true}) {
      if (reverse && !stack.bidirectional) continue;
      const Place place{name + (reverse ? "_reverse." : "."), reverse, stack.units, stack.gates};
      const Value h = one(place, x, initial);
      const bool whole = stack.return_sequences || l + 1 < stack.layers;
      outputs.push_back(whole ? h : last_state(graph, h, reverse));
    }
    x = concat(graph, outputs);
  }
  return x;
}

template <class Spec>
Attributes common_attributes(const Spec& spec) {
  Attributes a;
  a.set("units", spec.units);
  a.set_unless("layers", spec.layers, std::int64_t{1});
  a.set_unless("bidirectional", spec.bidirectional, false);
  a.set_unless("return_sequences", spec.return_sequences, true);
  a.set_unless("dropout", spec.dropout, 0.0);
  return a;
}

template <class Spec>
Spec common_fields(Fields& f) {
  Spec spec{.units = f.count("units", 0)};
  spec.layers = f.count("layers", 1);
  spec.bidirectional = f.flag("bidirectional", false);
  spec.return_sequences = f.flag("return_sequences", true);
  spec.dropout = f.real("dropout", 0);
  return spec;
}

}  // namespace

Value Rnn::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  return build_stack(graph, stack_of(*this, 1, 1), inputs,
                     [&](const Place& place, const Value& x, const std::vector<Value>& initial) {
                       const Value xw = times_inputs(graph, place, x);
                       const Value u = recurrent_weight(graph, place);
                       const Value bias = bias_of(graph, place, "bias", 1);
                       return graph.emit_one(
                           ops::Rnn{activation, place.reverse}.forward(xw.shape, graph.purpose()),
                           {xw, u, bias, initial[0]});
                     });
}

Attributes Rnn::attributes() const {
  Attributes a = common_attributes(*this);
  a.set_unless("activation", activation, std::string("tanh"));
  return a;
}

Rnn Rnn::from(const Attributes& a) {
  Fields f(kType, a);
  Rnn layer = common_fields<Rnn>(f);
  layer.activation = f.activation("activation", "tanh");
  f.done();
  return layer;
}

Value Lstm::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  constexpr std::int64_t kGates = ops::Lstm::kGates;
  return build_stack(graph, stack_of(*this, kGates, 2), inputs,
                     [&](const Place& place, const Value& x, const std::vector<Value>& initial) {
                       const Value xw = times_inputs(graph, place, x);
                       const Value u = recurrent_weight(graph, place);
                       const Value bias = bias_of(graph, place, "bias", kGates);
                       graph.preset(bias, {units, 2 * units, static_cast<float>(forget_bias)});
                       return graph.emit_one(
                           ops::Lstm{place.reverse}.forward(xw.shape, graph.purpose()),
                           {xw, u, bias, initial[0], initial[1]});
                     });
}

Attributes Lstm::attributes() const {
  Attributes a = common_attributes(*this);
  a.set_unless("forget_bias", forget_bias, 1.0);
  return a;
}

Lstm Lstm::from(const Attributes& a) {
  Fields f(kType, a);
  Lstm layer = common_fields<Lstm>(f);
  layer.forget_bias = f.real("forget_bias", 1);
  f.done();
  return layer;
}

Value Gru::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  constexpr std::int64_t kGates = ops::Gru::kGates;
  return build_stack(graph, stack_of(*this, kGates, 1), inputs,
                     [&](const Place& place, const Value& x, const std::vector<Value>& initial) {
                       const Value xw = times_inputs(graph, place, x);
                       const Value u = recurrent_weight(graph, place);
                       const Value bias = bias_of(graph, place, "bias", kGates);
                       const Value bias_u = bias_of(graph, place, "bias_u", 1);
                       return graph.emit_one(
                           ops::Gru{place.reverse}.forward(xw.shape, graph.purpose()),
                           {xw, u, bias, bias_u, initial[0]});
                     });
}

Attributes Gru::attributes() const { return common_attributes(*this); }

Gru Gru::from(const Attributes& a) {
  Fields f(kType, a);
  const Gru layer = common_fields<Gru>(f);
  f.done();
  return layer;
}

std::span<const LayerType> recurrent_layers() {
  static constexpr LayerType kTypes[] = {layer_type<Rnn>(), layer_type<Lstm>(), layer_type<Gru>()};
  return kTypes;
}

}  // namespace soma
