#include "soma/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "graph/gradients.hpp"
#include "model/state.hpp"
#include "train/batches.hpp"
#include "train/threads.hpp"
#include "train/trainer_state.hpp"

namespace soma {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

Trainer::State::State(Model& m, Backend b, TrainerOptions o)
    : model(m),
      backend(std::move(b)),
      options(std::move(o)),
      scalars(options.optimizer),
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
  if (compiled.program) return compiled;
  Graph graph = build_graph(model.state(), batch, Purpose::train);
  append_loss(graph, model.loss(), Purpose::train);
  const auto gradients = append_backward(graph);
  append_update(graph, options.optimizer, gradients);
  compiled.program = std::make_unique<Program>(std::move(graph), backend,
                                               Storage{&model.parameters(), &optimizer});
  compiled.instance = compiled.program->make_instance();
  return compiled;
}

Trainer::State::Compiled& Trainer::State::evaluation_program(std::int64_t batch) {
  Compiled& compiled = evaluation[batch];
  if (compiled.program) return compiled;
  Graph graph = build_graph(model.state(), batch, Purpose::infer);
  append_loss(graph, model.loss(), Purpose::infer);
  compiled.program =
      std::make_unique<Program>(std::move(graph), backend, Storage{&model.parameters(), nullptr});
  compiled.instance = compiled.program->make_instance();
  return compiled;
}

double Trainer::State::update(Compiled& compiled) {
  scalars.write(progress.step + 1, compiled.instance.scalars());
  if (std::int32_t* random = compiled.instance.random()) {
    random[0] = static_cast<std::int32_t>(options.seed);
    random[1] = static_cast<std::int32_t>(options.seed >> 32);
    random[2] = static_cast<std::int32_t>(progress.step + 1);
    random[3] = 0;
  }
  compiled.program->refresh_packs(threads);
  compiled.program->run(compiled.instance, threads);
  for (Parameter& p : model.parameters()) ++p.version;
  ++progress.step;
  progress.loss = *compiled.instance.loss();
  return progress.loss;
}

std::int64_t Trainer::State::count_correct(const Compiled& compiled,
                                           std::span<const std::int32_t> labels) const {
  const float* p = compiled.instance.probabilities();
  if (p == nullptr) return 0;
  const auto classes = static_cast<std::size_t>(model.output_shape().elements());
  std::int64_t right = 0;
  for (std::size_t i = 0; i < labels.size(); ++i)
    right += argmax({p + i * classes, classes}) == labels[i];
  return right;
}

void Trainer::State::check_fits(const Dataset& data) const {
  const std::string who =
      "model '" + model.name() + "' and data set '" + data.name() + "' do not fit: the model ";
  if (data.size() == 0) throw ShapeError("data set '" + data.name() + "' has no samples");
  if (model.input_shape().elements() != data.sample_shape().elements() ||
      (model.input_shape() != data.sample_shape() && model.input_shape().rank() != 1)) {
    throw ShapeError(who + "takes samples of shape " + model.input_shape().str() +
                     ", the data have " + data.sample_shape().str());
  }
  if (model.loss() == Loss::softmax_cross_entropy) {
    if (!data.is_classification())
      throw ShapeError(who + "needs class labels, the data have numbers as targets");
    if (model.output_shape().rank() != 1 || data.classes() > model.output_shape().elements()) {
      throw ShapeError(who + "gives " + model.output_shape().str() + " logits, the data have " +
                       std::to_string(data.classes()) + " classes");
    }
  } else if (data.is_classification() ||
             data.target_shape().elements() != model.output_shape().elements()) {
    throw ShapeError(who + "gives " + model.output_shape().str() + " numbers, the data have " +
                     (data.is_classification() ? "class labels"
                                               : "targets of shape " + data.target_shape().str()));
  }
}

void Trainer::State::load_batch(const Compiled& compiled, const Dataset& data,
                                std::span<const std::int64_t> rows) const {
  data.gather_inputs(rows, compiled.instance.input());
  if (data.is_classification()) {
    data.gather_labels(rows, reinterpret_cast<std::int32_t*>(compiled.instance.targets()));
  } else {
    data.gather_targets(rows, reinterpret_cast<float*>(compiled.instance.targets()));
  }
}

Trainer::Trainer(Model& model, Backend backend, TrainerOptions options)
    : state_(std::make_unique<State>(model, std::move(backend), std::move(options))) {}

Trainer::~Trainer() = default;

const Progress& Trainer::progress() const noexcept { return state_->progress; }
int Trainer::threads() const noexcept { return state_->threads; }

Progress Trainer::fit(const Dataset& train, const FitOptions& options) {
  State& s = *state_;
  Progress& at = s.progress;
  s.check_fits(train);
  if (options.validation != nullptr) s.check_fits(*options.validation);
  if (options.batch < 1)
    throw ShapeError("fit: batch: expected 1 or more, got " + std::to_string(options.batch));
  const std::int64_t n = train.size(), batch = std::min(options.batch, n);
  at.steps_per_epoch = (n + batch - 1) / batch;
  at.total_steps = options.steps > 0 ? options.steps : options.epochs * at.steps_per_epoch;

  std::vector<std::int32_t> labels;
  while (at.step < at.total_steps) {
    const auto order = epoch_order(n, s.options.seed, at.epoch);
    while (at.step_in_epoch < at.steps_per_epoch && at.step < at.total_steps) {
      const std::int64_t first = at.step_in_epoch * batch, rows = std::min(batch, n - first);
      const auto start = Clock::now();
      const std::span picked(order.data() + first, static_cast<std::size_t>(rows));
      State::Compiled& compiled = s.training_program(rows);
      s.load_batch(compiled, train, picked);
      if (train.is_classification()) {
        // The plan may reuse the targets' memory, so the labels are kept for counting.
        const auto* targets = reinterpret_cast<const std::int32_t*>(compiled.instance.targets());
        labels.assign(targets, targets + rows);
      }
      const double loss = s.update(compiled);
      s.loss_sum += loss * static_cast<double>(rows);
      s.correct += s.count_correct(compiled, labels);
      s.seen += rows;
      ++at.step_in_epoch;
      at.samples += rows;
      at.mean_loss = s.loss_sum / static_cast<double>(s.seen);
      at.accuracy = static_cast<double>(s.correct) / static_cast<double>(s.seen);
      at.seconds += seconds_since(start);
      if (options.on_step) options.on_step(at);
      if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) return at;
    }
    if (at.step_in_epoch < at.steps_per_epoch) break;
    Evaluation evaluation;
    if (options.validation != nullptr) evaluation = evaluate(*options.validation);
    Progress finished = at;
    // The position moves on first, so that a checkpoint written by the callback starts the next
    // epoch.
    ++at.epoch;
    at.step_in_epoch = 0;
    s.loss_sum = 0;
    s.correct = s.seen = 0;
    if (options.on_epoch)
      options.on_epoch(finished, options.validation != nullptr ? &evaluation : nullptr);
    if (options.stop != nullptr && options.stop->load(std::memory_order_relaxed)) return at;
  }
  return at;
}

Evaluation Trainer::evaluate(const Dataset& data, std::int64_t batch) {
  State& s = *state_;
  s.check_fits(data);
  Evaluation result;
  const std::int64_t classes = s.model.output_shape().elements();
  if (data.is_classification())
    result.confusion.assign(static_cast<std::size_t>(classes * classes), 0);
  std::vector<std::int64_t> rows;
  std::vector<std::int32_t> labels;
  double loss_sum = 0;
  std::int64_t right = 0;
  for (std::int64_t first = 0; first < data.size(); first += batch) {
    const std::int64_t count = std::min(batch, data.size() - first);
    rows.resize(static_cast<std::size_t>(count));
    for (std::int64_t i = 0; i < count; ++i) rows[static_cast<std::size_t>(i)] = first + i;
    State::Compiled& compiled = s.evaluation_program(count);
    s.load_batch(compiled, data, rows);
    compiled.program->refresh_packs(s.threads);
    compiled.program->run(compiled.instance, s.threads);
    loss_sum += static_cast<double>(*compiled.instance.loss()) * static_cast<double>(count);
    if (data.is_classification()) {
      labels.resize(static_cast<std::size_t>(count));
      data.gather_labels(rows, labels.data());
      const float* p = compiled.instance.probabilities();
      for (std::int64_t i = 0; i < count; ++i) {
        const std::int32_t said = argmax({p + i * classes, static_cast<std::size_t>(classes)});
        const std::int32_t truth = labels[static_cast<std::size_t>(i)];
        right += said == truth;
        ++result.confusion[static_cast<std::size_t>(truth * classes + said)];
      }
    }
  }
  result.samples = data.size();
  result.loss = loss_sum / static_cast<double>(data.size());
  result.accuracy = static_cast<double>(right) / static_cast<double>(data.size());
  return result;
}

namespace {

/// Checks a batch given by hand and returns its size.
std::int64_t batch_size(const Model& model, std::size_t inputs) {
  const auto sample = static_cast<std::size_t>(model.input_shape().elements());
  if (inputs == 0 || inputs % sample != 0) {
    throw ShapeError("step: expected inputs of [batch," + model.input_shape().str().substr(1) +
                     ", got " + std::to_string(inputs) + " numbers");
  }
  return static_cast<std::int64_t>(inputs / sample);
}

}  // namespace

double Trainer::step(std::span<const float> inputs, std::span<const std::int32_t> labels) {
  State& s = *state_;
  const std::int64_t batch = batch_size(s.model, inputs.size());
  if (s.model.loss() != Loss::softmax_cross_entropy ||
      labels.size() != static_cast<std::size_t>(batch)) {
    throw ShapeError("step: expected " + std::to_string(batch) +
                     " labels for softmax_cross_entropy, got " + std::to_string(labels.size()) +
                     " for " + name_of(s.model.loss()));
  }
  State::Compiled& compiled = s.training_program(batch);
  std::ranges::copy(inputs, compiled.instance.input());
  std::ranges::copy(labels, reinterpret_cast<std::int32_t*>(compiled.instance.targets()));
  return s.update(compiled);
}

double Trainer::step(std::span<const float> inputs, std::span<const float> targets) {
  State& s = *state_;
  const std::int64_t batch = batch_size(s.model, inputs.size());
  const std::int64_t wanted = batch * s.model.output_shape().elements();
  if (s.model.loss() == Loss::softmax_cross_entropy ||
      targets.size() != static_cast<std::size_t>(wanted)) {
    throw ShapeError("step: expected " + std::to_string(wanted) + " target numbers, got " +
                     std::to_string(targets.size()) + " for " + name_of(s.model.loss()));
  }
  State::Compiled& compiled = s.training_program(batch);
  std::ranges::copy(inputs, compiled.instance.input());
  std::ranges::copy(targets, reinterpret_cast<float*>(compiled.instance.targets()));
  return s.update(compiled);
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
