#include "soma/predictor.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <thread>

#include "model/state.hpp"
#include "program/program.hpp"
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
  };
  std::vector<Parameter> parameters;
  std::vector<Sized> sizes;
  std::int64_t input = 0, output = 0;
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
  void leave(int place) noexcept {
    busy.fetch_and(~(std::uint64_t{1} << place), std::memory_order_release);
    busy.notify_one();
  }
};

namespace {

Graph prediction_graph(const Model& model, std::int64_t batch, bool probabilities) {
  Graph graph = build_graph(model.state(), batch, Purpose::infer);
  if (probabilities && model.loss() == Loss::softmax_cross_entropy) {
    GraphBuilder builder(graph, Purpose::infer);
    builder.enter_layer("probabilities");
    const Value logits{graph.output, graph.shape(graph.output)};
    graph.output =
        builder.emit_one(ops::Softmax::forward(logits.shape, Purpose::infer), {logits}).id;
  }
  return graph;
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
  s.threads = usable_threads(options.threads);
  s.places = std::clamp(usable_threads(options.concurrency), 1, 64);
  s.input = model.input_shape().elements();
  s.output = model.output_shape().elements();
  for (const Parameter& p : model.parameters())
    s.parameters.push_back({p.name, p.value.clone(), p.version});
  std::vector<std::int64_t> batches;
  for (std::int64_t b = 1; b < options.max_batch; b *= 2) batches.push_back(b);
  batches.push_back(options.max_batch);
  for (const std::int64_t batch : batches) {
    State::Sized sized{
        batch, std::make_unique<Program>(prediction_graph(model, batch, options.probabilities),
                                         backend, Storage{&s.parameters, nullptr})};
    sized.program->refresh_packs(s.threads);
    for (int i = 0; i < s.places; ++i) sized.instances.push_back(sized.program->make_instance());
    s.sizes.push_back(std::move(sized));
  }
}

Predictor::~Predictor() = default;
Predictor::Predictor(Predictor&&) noexcept = default;
Predictor& Predictor::operator=(Predictor&&) noexcept = default;

std::int64_t Predictor::input_size() const noexcept { return state_->input; }
std::int64_t Predictor::output_size() const noexcept { return state_->output; }

void Predictor::run(std::span<const float> inputs, std::span<float> outputs) const {
  State& s = *state_;
  const auto in = static_cast<std::size_t>(s.input), out = static_cast<std::size_t>(s.output);
  const std::size_t n = inputs.size() / in;
  const auto most = static_cast<std::size_t>(s.sizes.back().batch);
  if (n == 0 || inputs.size() != n * in || n > most || outputs.size() != n * out) {
    throw ShapeError("predictor: expected 1 to " + std::to_string(most) + " samples of " +
                     std::to_string(in) + " floats and as many outputs of " + std::to_string(out) +
                     ", got " + std::to_string(inputs.size()) + " and " +
                     std::to_string(outputs.size()) + " floats");
  }
  const auto sized = std::ranges::find_if(
      s.sizes, [&](const auto& c) { return static_cast<std::size_t>(c.batch) >= n; });
  struct Place {
    State& state;
    int index;
    ~Place() { state.leave(index); }
  } place{s, s.enter()};
  Program::Instance& instance = sized->instances[static_cast<std::size_t>(place.index)];
  std::ranges::copy(inputs, instance.input());
  // Rows beyond n hold what an earlier call left there; rows do not see each other, so they change
  // nothing.
  sized->program->run(instance, s.threads);
  std::copy_n(instance.output(), outputs.size(), outputs.begin());
}

}  // namespace soma
