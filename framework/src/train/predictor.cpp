#include "soma/predictor.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <mutex>
#include <thread>

#include "graph/rewrites.hpp"
#include "model/state.hpp"
#include "program/hooks.hpp"
#include "program/observation.hpp"
#include "program/program.hpp"
#include "program/timeline.hpp"
#include "soma/sdk/ops/softmax.hpp"
#include "train/threads.hpp"

namespace soma {

struct Predictor::State {
  // Programs by batch size: every power of two below max_batch, and max_batch itself. A call runs
  // the smallest that holds it.
  struct Sized {
    std::int64_t batch;
    std::unique_ptr<Program> program;
    std::vector<Program::Instance> instances;  // one per place
    std::unique_ptr<HookCalls> hooks = nullptr;
  };
  /// Before it is rewritten, for those who want to meet every layer's tensor.
  struct Plain {
    Graph graph;
    std::vector<std::string> names;  // of the values, for observers
  };
  std::vector<Parameter> parameters;
  std::vector<Sized> sizes;
  std::vector<Plain> plain;
  std::vector<Sized> watched;  // the programs of `plain`, made when somebody looks
  std::once_flag watching;
  Backend backend;
  std::vector<ModelInput> inputs;
  std::vector<std::size_t> output_sizes;  // floats per sample
  std::vector<std::string> layers;
  std::vector<LayerHook> hooks;
  int threads = 1;
  int places = 0;
  std::atomic<std::uint64_t> busy{0};  // one bit per place

  /// Takes a free place; waits while there is none.
  int enter() noexcept {
    const std::uint64_t all = places == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << places) - 1;
    for (;;) {
      std::uint64_t now = busy.load(std::memory_order_relaxed);
      const std::uint64_t free = ~now & all;
      if (free == 0) {
        busy.wait(now, std::memory_order_relaxed);
        continue;
      }
      const std::uint64_t bit = free & (~free + 1);
      if (busy.compare_exchange_weak(now, now | bit, std::memory_order_acquire))
        return std::countr_zero(bit);
    }
  }
  /// Checks the views of a call and returns the number of samples.
  std::size_t check(std::span<const TensorView> given,
                    std::span<const std::span<float>> wanted) const;
  Sized compile(Graph graph, std::int64_t batch);
  std::vector<Sized>& watch();
  std::vector<Sized>& current() { return hooks.empty() ? sizes : watched; }
  /// `look`: what else happens while the program runs.
  template <class Look>
  void run(std::vector<Sized>& programs, std::span<const TensorView> given,
           std::span<const std::span<float>> wanted, const Look& look);
  void leave(int place) noexcept {
    busy.fetch_and(~(std::uint64_t{1} << place), std::memory_order_release);
    busy.notify_one();
  }
};

namespace {

/// Roundings may change where the backend promises no bits for an op anyway.
void rewrite(Graph& graph, std::vector<Parameter>& parameters, const Backend& backend) {
  fold_normalization(graph, parameters, [&](const Op& op) {
    return backend.supports(op) && backend.prepare(op).info().exactness == Exactness::bounded;
  });
  fuse_epilogues(graph, Purpose::infer, [&](const Op& op) { return backend.supports(op); });
  remove_dead_nodes(graph);
}

Graph prediction_graph(const Model& model, std::int64_t batch, bool probabilities) {
  Graph graph = build_graph(model.state(), batch, Purpose::infer);
  if (!probabilities) return graph;
  GraphBuilder builder(graph, Purpose::infer);
  builder.enter_layer("probabilities");
  const auto outputs = model.outputs();
  for (const OutputLoss& on : model.losses()) {
    const bool binary = on.loss.kind == Loss::Kind::binary_cross_entropy_with_logits;
    if (!on.loss.takes_classes() && !binary) continue;
    const auto at = std::ranges::find(outputs, on.output, &ModelOutput::name) - outputs.begin();
    int& output = graph.outputs[static_cast<std::size_t>(at)];
    const Shape shape = graph.shape(output);
    if (binary) {
      output = builder.activation({output, shape}, "sigmoid").id;
      continue;
    }
    const std::int64_t classes = shape.back();
    const Value logits =
        builder.reshape({output, shape}, {classes == 0 ? 0 : shape.elements() / classes, classes});
    const Value p = builder.emit_one(ops::Softmax::forward(logits.shape, Purpose::infer), {logits});
    output = builder.reshape(p, shape).id;
  }
  return graph;
}

[[noreturn]] void refuse(const std::string& what, std::size_t i, const std::string& expected,
                         const std::string& found) {
  throw ShapeError("predictor: " + what + " " + std::to_string(i) + ": expected " + expected +
                   ", got " + found);
}

}  // namespace

Predictor::Predictor(const Model& model, const Backend& backend, PredictorOptions options)
    : state_(std::make_unique<State>()) {
  State& s = *state_;
  if (!backend) throw StateError("predictor: the backend is not opened; use soma::backend(NAME)");
  if (options.max_batch < 1) {
    throw ShapeError("predictor: max_batch: expected 1 or more, got " +
                     std::to_string(options.max_batch));
  }
  s.backend = backend;
  s.threads = usable_threads(options.threads);
  s.places = std::clamp(usable_threads(options.concurrency), 1, 64);
  s.inputs = model.inputs();
  for (const ModelOutput& output : model.outputs()) {
    s.output_sizes.push_back(static_cast<std::size_t>(output.shape.elements()));
  }
  for (const Model::LayerView& layer : model.layers()) s.layers.push_back(layer.name);
  for (const Parameter& p : model.parameters())
    s.parameters.push_back({p.name, p.value.clone(), p.version});
  std::vector<std::int64_t> batches;
  for (std::int64_t b = 1; b < options.max_batch; b *= 2) batches.push_back(b);
  batches.push_back(options.max_batch);
  for (const std::int64_t batch : batches) {
    Graph graph = prediction_graph(model, batch, options.probabilities);
    s.plain.push_back({graph, value_names(graph, model, {})});
    rewrite(graph, s.parameters, backend);
    s.sizes.push_back(s.compile(std::move(graph), batch));
  }
}

Predictor::State::Sized Predictor::State::compile(Graph graph, std::int64_t batch) {
  Sized sized{batch,
              std::make_unique<Program>(std::move(graph), backend, Storage{&parameters, nullptr})};
  sized.program->refresh_packs(threads);
  for (int i = 0; i < places; ++i) sized.instances.push_back(sized.program->make_instance());
  return sized;
}

std::vector<Predictor::State::Sized>& Predictor::State::watch() {
  std::call_once(watching, [&] {
    for (std::size_t i = 0; i < plain.size(); ++i) {
      watched.push_back(compile(plain[i].graph, sizes[i].batch));
    }
  });
  return watched;
}

Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

std::size_t Predictor::planned_bytes() const noexcept {
  const Program& program = *state_->sizes.back().program;
  return program.arena_bytes() + program.pack_bytes();
}
StepMemory Predictor::step_memory() const { return state_->sizes.back().program->step_memory(); }
std::size_t Predictor::inputs() const noexcept { return state_->inputs.size(); }
std::size_t Predictor::outputs() const noexcept { return state_->output_sizes.size(); }
std::int64_t Predictor::input_size(std::size_t i) const noexcept {
  return state_->inputs[i].shape.elements();
}
std::int64_t Predictor::output_size(std::size_t i) const noexcept {
  return static_cast<std::int64_t>(state_->output_sizes[i]);
}

std::size_t Predictor::State::check(std::span<const TensorView> given,
                                    std::span<const std::span<float>> wanted) const {
  if (given.size() != inputs.size() || wanted.size() > output_sizes.size()) {
    throw ShapeError("predictor: expected " + std::to_string(inputs.size()) +
                     " inputs and at most " + std::to_string(output_sizes.size()) +
                     " outputs, got " + std::to_string(given.size()) + " and " +
                     std::to_string(wanted.size()));
  }
  const auto most = static_cast<std::size_t>(sizes.back().batch);
  const std::size_t n = given[0].size() / static_cast<std::size_t>(inputs[0].shape.elements());
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].dtype() != inputs[i].type) {
      refuse("input", i, name_of(inputs[i].type), name_of(given[i].dtype()));
    }
    const auto sample = static_cast<std::size_t>(inputs[i].shape.elements());
    if (n == 0 || n > most || given[i].size() != n * sample) {
      refuse("input", i,
             "1 to " + std::to_string(most) + " samples of " + std::to_string(sample) + " numbers",
             std::to_string(given[i].size()) + " numbers");
    }
  }
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (!wanted[i].empty() && wanted[i].size() != n * output_sizes[i]) {
      refuse("output", i, std::to_string(n * output_sizes[i]) + " floats",
             std::to_string(wanted[i].size()));
    }
  }
  return n;
}

template <class Look>
void Predictor::State::run(std::vector<Sized>& programs, std::span<const TensorView> given,
                           std::span<const std::span<float>> wanted, const Look& look) {
  const std::size_t n = check(given, wanted);
  const auto sized = std::ranges::find_if(
      programs, [&](const auto& c) { return static_cast<std::size_t>(c.batch) >= n; });
  struct Place {
    State& state;
    int index;
    ~Place() { state.leave(index); }
  } place{*this, enter()};
  Program::Instance& instance = sized->instances[static_cast<std::size_t>(place.index)];
  for (std::size_t i = 0; i < given.size(); ++i) {
    std::byte* rest = std::ranges::copy(given[i].bytes(), instance.input(i)).out;
    // Rows beyond n hold what an earlier call left there; rows do not see each other, so they
    // change nothing. Only indices must be such as ops take.
    if (given[i].dtype() == DType::i32) {
      const std::size_t rows = static_cast<std::size_t>(sized->batch) - n;
      std::fill_n(rest, rows * (given[i].bytes().size() / n), std::byte{0});
    }
  }
  look(*sized, instance);
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    std::copy_n(instance.output(i), wanted[i].size(), wanted[i].begin());
  }
}

void Predictor::run(std::span<const TensorView> inputs,
                    std::span<const std::span<float>> outputs) const {
  State& s = *state_;
  const auto look = [&](const State::Sized& sized, Program::Instance& instance) {
    sized.program->run(instance, s.threads, nullptr, sized.hooks.get());
  };
  s.run(s.current(), inputs, outputs, look);
}

void Predictor::observed_run(std::span<const TensorView> inputs,
                             std::span<const std::span<float>> outputs,
                             StepObserver& observer) const {
  State& s = *state_;
  const auto look = [&](const State::Sized& sized, Program::Instance& instance) {
    const auto size = static_cast<std::size_t>(&sized - s.watched.data());
    Observation observation(*sized.program, s.plain[size].names);
    observation.show(observer, 0);
    Observers observers;
    observers.add(sized.hooks.get());
    observers.add(&observation);
    sized.program->run(instance, s.threads, nullptr, observers.get());
  };
  s.run(s.watch(), inputs, outputs, look);
}

void Predictor::on_forward(const std::string& layer, Hook hook) {
  State& s = *state_;
  require_layer(s.layers, layer);
  s.hooks.push_back({layer, KernelTime::Phase::forward, std::move(hook)});
  for (State::Sized& sized : s.watch()) {
    sized.hooks = std::make_unique<HookCalls>(sized.program->graph(), s.hooks);
  }
}

StepTimes Predictor::timed_run(std::span<const TensorView> inputs,
                               std::span<const std::span<float>> outputs) const {
  State& s = *state_;
  StepTimes times;
  const auto look = [&](const State::Sized& sized, Program::Instance& instance) {
    StepTimeline timeline(*sized.program);
    sized.program->run(instance, s.threads, &timeline, sized.hooks.get());
    times = timeline.finish();
  };
  s.run(s.current(), inputs, outputs, look);
  return times;
}

void Predictor::run(std::span<const float> inputs, std::span<float> outputs) const {
  const TensorView input = inputs;
  if (outputs.empty()) refuse("output", 0, "floats", "none");
  run({&input, 1}, {&outputs, 1});
}

void Predictor::run(std::span<const std::int32_t> inputs, std::span<float> outputs) const {
  const TensorView input = inputs;
  if (outputs.empty()) refuse("output", 0, "floats", "none");
  run({&input, 1}, {&outputs, 1});
}

}  // namespace soma
