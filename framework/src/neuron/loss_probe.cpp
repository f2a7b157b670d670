#include "soma/neuron/loss_probe.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "graph/gradients.hpp"
#include "graph/rewrites.hpp"
#include "model/state.hpp"
#include "neuron/probe_graph.hpp"
#include "neuron/probe_inputs.hpp"
#include "program/program.hpp"
#include "train/threads.hpp"

namespace soma {

struct LossProbe::State {
  struct Compiled {
    std::unique_ptr<Program> program;
    Program::Instance instance;
  };
  std::vector<ModelInput> model_inputs;
  std::vector<Parameter> parameters;
  Graph training;
  Backend backend;
  std::int64_t batch = 1;
  int threads = 1;
  std::vector<std::vector<std::byte>> inputs, targets;
  Compiled forward;
  std::optional<Compiled> backward;
  std::vector<int> places;  // per parameter: the output of `backward` with its gradient, or -1

  Compiled compile(Graph graph) {
    remove_dead_nodes(graph);
    Compiled c;
    c.program = std::make_unique<Program>(std::move(graph), backend, Storage{&parameters, nullptr});
    c.instance = c.program->make_instance();
    return c;
  }
  void run(Compiled& c) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      std::ranges::copy(inputs[i], c.instance.input(i));
    }
    for (std::size_t i = 0; i < targets.size(); ++i) {
      std::ranges::copy(targets[i], c.instance.targets(i));
    }
    c.program->refresh_packs(threads);
    c.program->run(c.instance, threads);
  }
  Parameter& parameter(const std::string& name) {
    const auto found = std::ranges::find(parameters, name, &Parameter::name);
    if (found == parameters.end()) {
      throw ShapeError("probe: the model has no parameter '" + name + "'");
    }
    return *found;
  }
};

namespace {

void take(std::vector<std::vector<std::byte>>& to, std::span<const TensorView> views,
          std::span<const TensorInfo> wanted, const char* what) {
  if (views.size() != wanted.size()) {
    throw ShapeError(std::string("probe: expected ") + std::to_string(wanted.size()) + " " + what +
                     "s, got " + std::to_string(views.size()));
  }
  to.clear();
  for (std::size_t i = 0; i < views.size(); ++i) {
    if (views[i].dtype() != wanted[i].dtype ||
        views[i].size() != static_cast<std::size_t>(wanted[i].shape.elements())) {
      throw ShapeError(std::string("probe: ") + what + " " + std::to_string(i) + ": expected " +
                       wanted[i].shape.str() + " of " + name_of(wanted[i].dtype) + ", got " +
                       std::to_string(views[i].size()) + " numbers of " +
                       name_of(views[i].dtype()));
    }
    to.emplace_back(views[i].bytes().begin(), views[i].bytes().end());
  }
}

}  // namespace

LossProbe::LossProbe(const Model& model, const Backend& backend, std::int64_t batch, int threads)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  s.model_inputs = model.inputs();
  for (const Parameter& p : model.parameters()) {
    s.parameters.push_back({p.name, p.value.clone(), p.version, p.trainable});
  }
  s.backend = backend;
  s.batch = batch;
  s.threads = usable_threads(threads);
  Graph graph = build_graph(model.state(), batch, Purpose::infer);
  fuse_epilogues(graph, Purpose::infer, [&](const Op& op) { return backend.supports(op); });
  append_losses(graph, model, Purpose::infer);
  s.forward = s.compile(std::move(graph));
  s.training = build_graph(model.state(), batch, Purpose::train, Behaviour::prediction);
  append_losses(s.training, model, Purpose::train);
}

LossProbe::~LossProbe() = default;
LossProbe::LossProbe(LossProbe&&) noexcept = default;
LossProbe& LossProbe::operator=(LossProbe&&) noexcept = default;

void LossProbe::set(std::span<const TensorView> inputs, std::span<const TensorView> targets) {
  State& s = *state_;
  const Graph& graph = s.forward.program->graph();
  std::vector<TensorInfo> in, out;
  for (const int v : graph.inputs) in.push_back(graph.values[static_cast<std::size_t>(v)].info);
  for (const Graph::LossInfo& loss : graph.losses) {
    out.push_back(graph.values[static_cast<std::size_t>(loss.targets)].info);
  }
  take(s.inputs, inputs, in, "input");
  take(s.targets, targets, out, "target");
}

double LossProbe::loss() {
  State& s = *state_;
  if (s.inputs.empty()) throw StateError("probe: no batch was set");
  s.run(s.forward);
  return s.forward.instance.loss();
}

std::span<const float> LossProbe::gradient(const std::string& parameter) {
  State& s = *state_;
  if (s.inputs.empty()) throw StateError("probe: no batch was set");
  if (!s.backward) {
    Graph graph = s.training;
    append_backward(graph);
    graph.outputs.clear();
    for (const int gradient : graph.gradients) {
      s.places.push_back(gradient < 0 ? -1 : static_cast<int>(graph.outputs.size()));
      if (gradient >= 0) graph.outputs.push_back(gradient);
    }
    s.backward = s.compile(std::move(graph));
  }
  const Parameter& p = s.parameter(parameter);
  const int place = s.places[static_cast<std::size_t>(&p - s.parameters.data())];
  if (place < 0) throw ShapeError("probe: parameter '" + parameter + "' gets no gradient");
  s.run(*s.backward);
  return {s.backward->instance.output(static_cast<std::size_t>(place)),
          static_cast<std::size_t>(p.value.elements())};
}

float LossProbe::exchange(const std::string& parameter, std::int64_t element, float value) {
  Parameter& p = state_->parameter(parameter);
  ++p.version;
  return std::exchange(p.value.as<float>()[static_cast<std::size_t>(element)], value);
}

}  // namespace soma
