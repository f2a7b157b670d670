#include "soma/neuron/layer_probe.hpp"

#include <algorithm>
#include <optional>

#include "graph/gradients.hpp"
#include "graph/rewrites.hpp"
#include "model/state.hpp"
#include "neuron/probe_graph.hpp"
#include "neuron/probe_inputs.hpp"
#include "program/hooks.hpp"
#include "program/program.hpp"
#include "soma/error.hpp"
#include "soma/sdk/ops/arithmetic.hpp"
#include "soma/sdk/ops/axis_reduction.hpp"
#include "soma/sdk/ops/softmax.hpp"
#include "train/threads.hpp"

namespace soma {

struct LayerProbe::State {
  /// A program and where in its outputs things are.
  struct Compiled {
    std::unique_ptr<Program> program;
    Program::Instance instance;
    std::vector<int> inputs, layers, layer_gradients;  // numbers of outputs, or -1
  };
  std::vector<ModelInput> inputs;
  std::vector<Parameter> parameters;
  ProbeGraph forward, training;
  Backend backend;
  LayerProbeOptions options;
  std::vector<std::size_t> layers;  // of options.layers
  Shape shape;
  std::optional<Compiled> values, gradients;
  std::vector<LayerHook> hooks;
  std::unique_ptr<HookCalls> calls;

  Compiled& values_program();
  Compiled& gradients_program();
  Compiled compile(Graph graph) {
    Compiled compiled;
    remove_dead_nodes(graph);
    compiled.program =
        std::make_unique<Program>(std::move(graph), backend, Storage{&parameters, nullptr});
    compiled.program->refresh_packs(options.threads);
    compiled.instance = compiled.program->make_instance();
    return compiled;
  }
  Values values_of(const Compiled& compiled, std::int64_t n) const {
    const auto size = static_cast<std::size_t>(n * shape.elements());
    return {{compiled.instance.output(0), size}, {compiled.instance.output(1), size}};
  }
};

namespace {

/// log(softmax) over the last axis of the sums, in their place.
void append_log_probabilities(ProbeGraph& probe, Purpose purpose) {
  GraphBuilder builder(probe.graph, purpose, Behaviour::prediction);
  builder.enter_layer("log_probabilities");
  const Shape shape = probe.graph.shape(probe.sums);
  const Value flat =
      builder.reshape({probe.sums, shape},
                      {shape.elements() / std::max<std::int64_t>(1, shape.back()), shape.back()});
  const Value logs = builder.emit_one(ops::LogSoftmax::forward(flat.shape, purpose), {flat});
  probe.sums = builder.reshape(logs, shape).id;
  probe.graph.outputs[0] = probe.sums;
}

/// Appends sum(direction * sums) as what is minimised; the direction is its target.
void append_objective(ProbeGraph& probe) {
  Graph& graph = probe.graph;
  GraphBuilder builder(graph, Purpose::train, Behaviour::prediction);
  builder.enter_layer("objective");
  const Shape shape = graph.shape(probe.sums), all{1, shape.elements()};
  const Value direction = builder.leaf(Graph::Source::targets, {DType::f32, shape});
  const Value product = builder.emit_one(ops::Multiply::forward(shape, shape, Purpose::train),
                                         {{probe.sums, shape}, direction});
  const Value sum = builder.emit_one(ops::AxisReduction{1}.sum(all, Purpose::train),
                                     {builder.reshape(product, all)});
  graph.losses.push_back({.output = 0, .targets = direction.id, .value = sum.id});
}

}  // namespace

LayerProbe::State::Compiled& LayerProbe::State::values_program() {
  if (!values) {
    Graph graph = forward.graph;
    values = compile(std::move(graph));
  }
  return *values;
}

LayerProbe::State::Compiled& LayerProbe::State::gradients_program() {
  if (gradients) return *gradients;
  ProbeGraph probe = training;
  Graph& graph = probe.graph;
  std::vector<int> wanted;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].type == DType::f32) wanted.push_back(graph.inputs[i]);
  }
  for (const std::size_t layer : layers) wanted.push_back(graph.layer_outputs[layer]);
  want_gradients_of(graph, wanted);
  append_objective(probe);
  std::vector<int> apart(layers.begin(), layers.end());
  append_backward(graph, {.apart = apart});
  std::vector<int> in, out, back;
  const auto keep = [&](int value, std::vector<int>& number) {
    number.push_back(value < 0 ? -1 : static_cast<int>(graph.outputs.size()));
    if (value >= 0) graph.outputs.push_back(value);
  };
  for (const int gradient : graph.input_gradients) keep(gradient, in);
  for (const std::size_t layer : layers) {
    keep(graph.layer_outputs[layer], out);
    keep(graph.output_gradients[layer], back);
  }
  gradients = compile(std::move(graph));
  gradients->inputs = std::move(in);
  gradients->layers = std::move(out);
  gradients->layer_gradients = std::move(back);
  return *gradients;
}

LayerProbe::LayerProbe(const Model& model, const std::string& layer, const Backend& backend,
                       LayerProbeOptions options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  const std::size_t number = layer_number(model, layer);
  if (options.batch < 1) {
    throw ShapeError("probe: batch: expected 1 or more, got " + std::to_string(options.batch));
  }
  options.threads = usable_threads(options.threads);
  s.inputs = model.inputs();
  s.backend = backend;
  for (const Parameter& p : model.parameters()) {
    s.parameters.push_back({p.name, p.value.clone(), p.version});
  }
  for (const std::string& earlier : options.layers) {
    s.layers.push_back(layer_number(model, earlier));
    if (s.layers.back() < number) continue;
    throw ShapeError("probe: expected layers before '" + layer + "', got '" + earlier + "'");
  }
  s.shape = model.state().values[number].shape.from(1);
  s.forward = probe_graph(model, number, options.batch, Purpose::infer);
  s.training = probe_graph(model, number, options.batch, Purpose::train);
  if (options.log_probabilities) {
    append_log_probabilities(s.forward, Purpose::infer);
    append_log_probabilities(s.training, Purpose::train);
  }
  s.options = std::move(options);
}

LayerProbe::~LayerProbe() = default;
LayerProbe::LayerProbe(LayerProbe&&) noexcept = default;
LayerProbe& LayerProbe::operator=(LayerProbe&&) noexcept = default;
const Shape& LayerProbe::shape() const noexcept { return state_->shape; }
std::int64_t LayerProbe::batch() const noexcept { return state_->options.batch; }

LayerProbe::Values LayerProbe::run(std::span<const TensorView> inputs) {
  State& s = *state_;
  State::Compiled& c = s.values_program();
  const std::int64_t n = fill_inputs(c.instance, s.inputs, inputs, s.options.batch);
  c.program->run(c.instance, s.options.threads, nullptr, s.calls.get());
  return s.values_of(c, n);
}

void LayerProbe::on_forward(const std::string& layer, Hook hook) {
  State& s = *state_;
  require_layer(s.forward.graph.layers, layer);
  s.hooks.push_back({layer, KernelTime::Phase::forward, std::move(hook)});
  s.calls = std::make_unique<HookCalls>(s.values_program().program->graph(), s.hooks);
}

LayerProbe::Gradient LayerProbe::gradient(std::span<const TensorView> inputs,
                                          std::span<const float> direction) {
  State& s = *state_;
  State::Compiled& c = s.gradients_program();
  const std::int64_t n = fill_inputs(c.instance, s.inputs, inputs, s.options.batch);
  const auto each = static_cast<std::size_t>(s.shape.elements());
  if (direction.size() != static_cast<std::size_t>(n) * each) {
    throw ShapeError("probe: direction: expected " + s.shape.batched(n).str() + ", got " +
                     std::to_string(direction.size()) + " numbers");
  }
  auto* to = reinterpret_cast<float*>(c.instance.targets());
  std::fill_n(std::ranges::copy(direction, to).out,
              (static_cast<std::size_t>(s.options.batch) - static_cast<std::size_t>(n)) * each,
              0.0f);
  c.program->run(c.instance, s.options.threads);
  const auto output = [&](int number, std::int64_t size) {
    return number < 0 ? std::span<const float>()
                      : std::span(c.instance.output(static_cast<std::size_t>(number)),
                                  static_cast<std::size_t>(n * size));
  };
  Gradient result{s.values_of(c, n), {}, {}};
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    result.inputs.push_back(output(c.inputs[i], s.inputs[i].shape.elements()));
  }
  const Graph& graph = c.program->graph();
  for (std::size_t i = 0; i < s.layers.size(); ++i) {
    const std::int64_t size = graph.shape(graph.layer_outputs[s.layers[i]]).elements_from(1);
    result.layers.push_back({output(c.layers[i], size), output(c.layer_gradients[i], size)});
  }
  return result;
}

}  // namespace soma
