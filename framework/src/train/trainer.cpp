#include "soma/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <iterator>
#include <limits>

#include "graph/gradients.hpp"
#include "graph/rewrites.hpp"
#include "model/state.hpp"
#include "program/timeline.hpp"
#include "train/batches.hpp"
#include "train/scorer.hpp"
#include "train/threads.hpp"
#include "train/trainer_state.hpp"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Trainer::State::State(Model& m, Backend b, TrainerOptions o)
    : model(m),
      backend(std::move(b)),
      options(std::move(o)),
      scalars(options.optimizer),
      rate(options.schedule),
      threads(usable_threads(options.threads)) {
  if (!backend) throw StateError("trainer: the backend is not opened; use soma::backend(NAME)");
  if (!model.initialized()) model.initialize(options.seed);
  const auto slots = optimizer_slots(options.optimizer);
  for (const Parameter& p : model.parameters()) {
    auto& tensors = optimizer.slots.emplace_back();
    if (!p.trainable) continue;
    for (std::size_t i = 0; i < slots.size(); ++i) tensors.emplace_back(p.value.shape());
  }
}

Trainer::State::Compiled& Trainer::State::training_program(std::int64_t batch) {
  Compiled& compiled = training[batch];
  const bool plain = is_watched();
  if (compiled.program && compiled.plain == plain) return compiled;
  compiled = {.plain = plain};
  Graph graph = build_graph(model.state(), batch, Purpose::train);
  if (!plain) fuse_epilogues(graph, Purpose::train);
  append_losses(graph, model, Purpose::train);
  append_backward(graph, layers_with_gradient_hooks(graph, hooks));
  append_update(graph, options.optimizer, options.regularization);
  if (!plain) {
    mask_before_pooling(graph);
    remove_dead_nodes(graph);
    hasten_updates(graph);
  }
  finish(compiled, std::move(graph), {&model.parameters(), &optimizer});
  return compiled;
}

Trainer::State::Compiled& Trainer::State::evaluation_program(std::int64_t batch) {
  Compiled& compiled = evaluation[batch];
  if (compiled.program) return compiled;
  Graph graph = build_graph(model.state(), batch, Purpose::infer);
  if (!is_watched()) {
    fuse_epilogues(graph, Purpose::infer);
    remove_dead_nodes(graph);
  }
  append_losses(graph, model, Purpose::infer);
  finish(compiled, std::move(graph), {&model.parameters(), nullptr});
  return compiled;
}

void Trainer::State::finish(Compiled& compiled, Graph graph, Storage storage) {
  std::unique_ptr<HookCalls> calls;
  if (!hooks.empty()) calls = std::make_unique<HookCalls>(graph, hooks);
  auto program = std::make_unique<Program>(std::move(graph), backend, storage);
  compiled.instance = program->make_instance();
  compiled.hooks = std::move(calls);
  compiled.program = std::move(program);
}

Observation& Trainer::State::observation(Compiled& compiled) const {
  if (!compiled.observation) {
    compiled.observation = std::make_unique<Observation>(
        *compiled.program,
        value_names(compiled.program->graph(), model, optimizer_slots(options.optimizer)));
  }
  return *compiled.observation;
}

void Trainer::State::add_hook(const std::string& layer, KernelTime::Phase phase, Hook hook) {
  std::vector<std::string> layers;
  for (const Model::LayerView& view : model.layers()) layers.push_back(view.name);
  require_layer(layers, layer);
  training.clear();  // they are compiled anew, with the hooks
  evaluation.clear();
  hooks.push_back({layer, phase, std::move(hook)});
}

double Trainer::State::update(Compiled& compiled, Program::Timeline* timeline) {
  progress.learning_rate =
      rate.at(schedule, options.optimizer.learning_rate, progress.step + 1, progress.total_steps);
  scalars.write(progress.step + 1, progress.learning_rate, compiled.instance.scalars());
  if (std::int32_t* random = compiled.instance.random()) {
    random[0] = static_cast<std::int32_t>(options.seed);
    random[1] = static_cast<std::int32_t>(options.seed >> 32);
    random[2] = static_cast<std::int32_t>(progress.step + 1);
    random[3] = 0;
  }
  compiled.program->refresh_packs(threads, timeline);
  Observers observers;
  if (compiled.hooks) {
    compiled.hooks->set_step(progress.step + 1);
    observers.add(compiled.hooks.get());
  }
  if (observer != nullptr) {
    observation(compiled).show(*observer, progress.step + 1);
    observers.add(compiled.observation.get());
  }
  compiled.program->run(compiled.instance, threads, timeline, observers.get());
  for (Parameter& p : model.parameters()) ++p.version;
  ++progress.step;
  progress.loss = compiled.instance.loss();
  return progress.loss;
}

std::optional<Trainer::State::Judged> Trainer::State::judged() const {
  const auto losses = model.losses();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const Loss& loss = losses[i].loss;
    if (loss.takes_classes() || loss.is_binary()) return Judged{i, loss};
  }
  return std::nullopt;
}

void Trainer::State::read_labels(const Compiled& compiled, const Judged& judged,
                                 std::vector<std::int32_t>& to) {
  const Graph& graph = compiled.program->graph();
  const std::byte* targets = compiled.instance.targets(judged.number);
  to.resize(static_cast<std::size_t>(graph.shape(graph.losses[judged.number].targets).elements()));
  if (judged.loss.takes_classes()) {
    constexpr std::int64_t kNone = std::numeric_limits<std::int64_t>::min();
    const std::int64_t ignored = judged.loss.options.integer("ignore_index", kNone);
    std::ranges::copy_n(reinterpret_cast<const std::int32_t*>(targets), std::ssize(to), to.begin());
    for (std::int32_t& label : to) label = label == ignored || label < 0 ? -1 : label;
    return;
  }
  const float middle = judged.loss.kind == Loss::Kind::hinge ? 0.0f : 0.5f;
  const std::span numbers(reinterpret_cast<const float*>(targets), to.size());
  std::ranges::transform(numbers, to.begin(), [&](float t) { return t > middle ? 1 : 0; });
}

void Trainer::State::read_answers(const Compiled& compiled, const Judged& judged,
                                  std::vector<std::int32_t>& to) {
  const Graph& graph = compiled.program->graph();
  const Graph::LossInfo& loss = graph.losses[judged.number];
  if (judged.loss.takes_classes()) {
    const Shape& shape = graph.shape(loss.probabilities);
    const float* p = compiled.instance.probabilities(judged.number);
    const auto classes = static_cast<std::size_t>(shape[1]);
    to.resize(static_cast<std::size_t>(shape[0]));
    for (std::size_t i = 0; i < to.size(); ++i) to[i] = argmax({p + i * classes, classes});
    return;
  }
  const auto output = static_cast<std::size_t>(loss.output);
  to.resize(static_cast<std::size_t>(graph.shape(graph.outputs[output]).elements()));
  const std::span numbers(compiled.instance.output(output), to.size());
  std::ranges::transform(numbers, to.begin(), [](float y) { return y > 0 ? 1 : 0; });
}

void Trainer::State::load_batch(const Compiled& compiled, const Dataset& data,
                                std::span<const std::int64_t> rows) const {
  for (std::size_t i = 0; i < data.inputs().size(); ++i) {
    data.gather_input(i, rows, compiled.instance.input(i));
  }
  for (std::size_t i = 0; i < data.targets().size(); ++i) {
    data.gather_target(i, rows, compiled.instance.targets(i));
  }
  number_classes(compiled, data);
}

void Trainer::State::load_batch(const Compiled& compiled, const Dataset& data,
                                const BatchReader::Batch& batch) const {
  const auto copy = [&](const DataColumn& column, const AlignedBytes& from, std::byte* to) {
    const std::int64_t numbers = batch.rows * column.sample.elements();
    std::copy_n(from.data(), static_cast<std::size_t>(numbers) * size_bytes(column.type), to);
  };
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    copy(data.inputs()[i], batch.inputs[i], compiled.instance.input(i));
  }
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    copy(data.targets()[i], batch.targets[i], compiled.instance.targets(i));
  }
  number_classes(compiled, data);
}

void Trainer::State::number_classes(const Compiled& compiled, const Dataset& data) const {
  const Graph& graph = compiled.program->graph();
  for (std::size_t i = 0; i < data.targets().size(); ++i) {
    std::byte* to = compiled.instance.targets(i);
    const TensorInfo& wanted = graph.values[static_cast<std::size_t>(graph.losses[i].targets)].info;
    if (data.targets()[i].type != DType::i32 || wanted.dtype != DType::f32) continue;
    // Classes 0 and 1, in place: both types have four bytes.
    const float first = model.losses()[i].loss.kind == Loss::Kind::hinge ? -1.0f : 0.0f;
    for (std::int64_t e = 0; e < wanted.shape.elements(); ++e, to += sizeof(float)) {
      std::int32_t label;
      std::memcpy(&label, to, sizeof label);
      const float number = label == 0 ? first : 1.0f;
      std::memcpy(to, &number, sizeof number);
    }
  }
}

Trainer::Trainer(Model& model, Backend backend, TrainerOptions options)
    : state_(std::make_unique<State>(model, std::move(backend), std::move(options))) {}

Trainer::~Trainer() = default;

void Trainer::on_forward(const std::string& layer, Hook hook) {
  state_->add_hook(layer, KernelTime::Phase::forward, std::move(hook));
}
void Trainer::on_backward(const std::string& layer, Hook hook) {
  state_->add_hook(layer, KernelTime::Phase::backward, std::move(hook));
}
void Trainer::remove_hooks() {
  state_->training.clear();
  state_->evaluation.clear();
  state_->hooks.clear();
}
void Trainer::observe(StepObserver* observer) noexcept { state_->observer = observer; }

const Progress& Trainer::progress() const noexcept { return state_->progress; }
int Trainer::threads() const noexcept { return state_->threads; }

Progress Trainer::fit(const Dataset& train, const FitOptions& options) {
  State& s = *state_;
  Progress& at = s.progress;
  require_fit(s.model, train);
  if (options.validation != nullptr) require_fit(s.model, *options.validation);
  s.model.set_record_format(train.record_format());
  if (options.batch < 1)
    throw ShapeError("fit: batch: expected 1 or more, got " + std::to_string(options.batch));
  const std::int64_t n = train.size(), batch = std::min(options.batch, n);
  at.steps_per_epoch = (n + batch - 1) / batch;
  at.total_steps = options.steps > 0 ? options.steps : options.epochs * at.steps_per_epoch;

  if (options.augmentation.any()) {
    options.augmentation.check(train.sample_shape());
    if (train.inputs()[0].type != DType::f32)
      throw ShapeError("fit: augmentation: expected f32 samples, got i32");
  }

  const auto judged = s.judged();
  std::vector<std::int32_t> labels, answers;
  BatchReader reader({train, options.augmentation, s.options.seed, batch, at.epoch,
                      at.step_in_epoch, at.total_steps - at.step});
  while (at.step < at.total_steps) {
    while (at.step_in_epoch < at.steps_per_epoch && at.step < at.total_steps) {
      const auto start = Clock::now();
      const BatchReader::Batch& read = reader.next();
      at.data_seconds += seconds_since(start);
      const std::int64_t rows = read.rows;
      State::Compiled& compiled = s.training_program(rows);
      const auto copying = Clock::now();
      s.load_batch(compiled, train, read);
      at.data_seconds += seconds_since(copying);
      if (judged) State::read_labels(compiled, *judged, labels);
      const double loss = s.update(compiled);
      s.loss_sum += loss * static_cast<double>(rows);
      if (judged) {
        State::read_answers(compiled, *judged, answers);
        for (std::size_t i = 0; i < labels.size(); ++i) {
          s.correct += labels[i] >= 0 && answers[i] == labels[i];
          s.answers += labels[i] >= 0;
        }
      }
      s.seen += rows;
      ++at.step_in_epoch;
      at.samples += rows;
      at.mean_loss = s.loss_sum / static_cast<double>(s.seen);
      at.accuracy = share(s.correct, s.answers);
      at.seconds += seconds_since(start);
      if (options.on_step) options.on_step(at);
      if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) return at;
    }
    if (at.step_in_epoch < at.steps_per_epoch) break;
    Evaluation evaluation;
    if (options.validation != nullptr) evaluation = evaluate(*options.validation);
    soma::observe(s.options.schedule, s.schedule,
                  options.validation != nullptr ? evaluation.loss : at.mean_loss);
    Progress finished = at;
    // The position moves on first, so that a checkpoint written by the callback starts the next
    // epoch.
    ++at.epoch;
    at.step_in_epoch = 0;
    s.loss_sum = 0;
    s.correct = s.answers = s.seen = 0;
    if (options.on_epoch)
      options.on_epoch(finished, options.validation != nullptr ? &evaluation : nullptr);
    if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) return at;
  }
  return at;
}

Evaluation Trainer::evaluate(const Dataset& data, std::int64_t batch) {
  State& s = *state_;
  require_fit(s.model, data);
  Scorer scorer(s);
  std::vector<std::int64_t> rows;
  for (std::int64_t first = 0; first < data.size(); first += batch) {
    const std::int64_t count = std::min(batch, data.size() - first);
    rows.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) rows[static_cast<std::size_t>(i)] = first + i;
    State::Compiled& compiled = s.evaluation_program(count);
    s.load_batch(compiled, data, rows);
    scorer.before(compiled);
    compiled.program->refresh_packs(s.threads);
    compiled.program->run(compiled.instance, s.threads, nullptr, compiled.hooks.get());
    scorer.after(compiled, count, data);
  }
  return scorer.finish();
}

Trainer::State::Compiled& Trainer::State::load_step(std::span<const TensorView> inputs,
                                                    std::span<const TensorView> targets) {
  Compiled& compiled = training_program(batch_of(inputs));
  check_step(compiled.program->graph(), inputs, targets);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::ranges::copy(inputs[i].bytes(), compiled.instance.input(i));
  }
  for (std::size_t i = 0; i < targets.size(); ++i) {
    std::ranges::copy(targets[i].bytes(), compiled.instance.targets(i));
  }
  return compiled;
}

double Trainer::step(std::span<const TensorView> inputs, std::span<const TensorView> targets) {
  return state_->update(state_->load_step(inputs, targets));
}

StepTimes Trainer::timed_step(std::span<const TensorView> inputs,
                              std::span<const TensorView> targets) {
  State::Compiled& compiled = state_->load_step(inputs, targets);
  StepTimeline timeline(*compiled.program);
  state_->update(compiled, &timeline);
  return timeline.finish();
}

std::vector<Trainer::KernelReport> Trainer::kernels(std::int64_t batch) {
  std::vector<KernelReport> reports;
  const Program& program = *state_->training_program(batch).program;
  for (const Program::Report& r : program.report()) {
    const auto layer = static_cast<std::size_t>(r.node->layer);
    const auto& layers = program.graph().layers;
    reports.push_back({r.node->op.str(), layer < layers.size() ? layers[layer] : "optimizer",
                       r.implementation, r.exactness});
  }
  return reports;
}

std::size_t Trainer::planned_bytes(std::int64_t batch) {
  const Program& program = *state_->training_program(batch).program;
  return program.arena_bytes() + program.pack_bytes();
}

}  // namespace soma
