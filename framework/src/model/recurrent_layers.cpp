#include "model/layer_tools.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/recurrent.hpp"

namespace soma {
namespace {

/// Sizes of one layer of a stack and what the names of its parameters start with.
struct Place {
  std::string prefix;  // "l0."
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

/// Checks the inputs of a recurrent layer, which keeps `states` tensors from step to step.
void check(std::string_view type, std::span<const Value> inputs, std::size_t states,
           std::int64_t units, std::int64_t layers) {
  const std::string name(type);
  if (units < 1 || layers < 1) throw ShapeError(name + ": units and layers must be 1 or more");
  if (inputs.size() != 1 && inputs.size() != 1 + states) {
    throw ShapeError(name + ": expected one input, or " + std::to_string(1 + states) +
                     " with the initial state, got " + std::to_string(inputs.size()));
  }
  if (inputs[0].shape.rank() != 3) {
    throw ShapeError(name + ": expected a sequence [N,T,I], got " + inputs[0].shape.str());
  }
  if (inputs.size() > 1 && layers > 1) {
    throw ShapeError(name + ": an initial state can be given to a single layer only");
  }
  const Shape state{inputs[0].shape[0], units};
  for (const Value& given : inputs.subspan(1)) {
    if (given.shape != state) {
      throw ShapeError(name + ": expected an initial state " + state.str() + ", got " +
                       given.shape.str());
    }
  }
}

/// Stacks the layers of a spec: one(place, x, initial states) builds a single one.
template <class Spec, class One>
Value stack(GraphBuilder& graph, const Spec& spec, std::span<const Value> inputs,
            std::int64_t gates, std::size_t states, One&& one) {
  check(Spec::kType, inputs, states, spec.units, spec.layers);
  std::vector<Value> initial(inputs.begin() + 1, inputs.end());
  if (initial.empty()) {
    initial.assign(states, zeros(graph, {inputs[0].shape[0], spec.units}));
  }
  Value x = inputs[0];
  for (std::int64_t l = 0; l < spec.layers; ++l) {
    x = one(Place{"l" + std::to_string(l) + ".", spec.units, gates}, x, initial);
  }
  return x;
}

template <class Spec>
Attributes common_attributes(const Spec& spec) {
  Attributes a;
  a.set("units", spec.units);
  a.set_unless("layers", spec.layers, std::int64_t{1});
  return a;
}

template <class Spec>
Spec common_fields(Fields& f) {
  Spec spec{.units = f.count("units", 0)};
  spec.layers = f.count("layers", 1);
  return spec;
}

}  // namespace

Value Rnn::build(GraphBuilder& graph, std::span<const Value> inputs) const {
  const ops::Rnn rnn{.activation = activation};
  return stack(
      graph, *this, inputs, 1, 1,
      [&](const Place& place, const Value& x, const std::vector<Value>& initial) {
        const Value xw = times_inputs(graph, place, x);
        const Value u = recurrent_weight(graph, place);
        const Value bias = bias_of(graph, place, "bias", 1);
        return graph.emit_one(rnn.forward(xw.shape, graph.purpose()), {xw, u, bias, initial[0]});
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
  const ops::Lstm lstm;
  return stack(graph, *this, inputs, kGates, 2,
               [&](const Place& place, const Value& x, const std::vector<Value>& initial) {
                 const Value xw = times_inputs(graph, place, x);
                 const Value u = recurrent_weight(graph, place);
                 const Value bias = bias_of(graph, place, "bias", kGates);
                 graph.preset(bias, {units, 2 * units, static_cast<float>(forget_bias)});
                 return graph.emit_one(lstm.forward(xw.shape, graph.purpose()),
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
  const ops::Gru gru;
  return stack(graph, *this, inputs, kGates, 1,
               [&](const Place& place, const Value& x, const std::vector<Value>& initial) {
                 const Value xw = times_inputs(graph, place, x);
                 const Value u = recurrent_weight(graph, place);
                 const Value bias = bias_of(graph, place, "bias", kGates);
                 const Value bias_u = bias_of(graph, place, "bias_u", 1);
                 return graph.emit_one(gru.forward(xw.shape, graph.purpose()),
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
