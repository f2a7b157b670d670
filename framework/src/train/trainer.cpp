#include "soma/trainer.hpp"

#include <algorithm>
#include <iterator>
#include <limits>

#include "graph/gradients.hpp"
#include "model/state.hpp"
#include "program/timeline.hpp"
#include "soma/transfer.hpp"
#include "train/batches.hpp"
#include "train/data_fit.hpp"
#include "train/scorer.hpp"
#include "train/threads.hpp"
#include "train/trainer_state.hpp"

namespace soma {
Trainer::State::State(Model& m, Backend b, TrainerOptions o)
    : model(m),
      backend(std::move(b)),
      options(std::move(o)),
      scalars(options.optimizer),
      rate(options.schedule),
      threads(usable_threads(options.threads)),
      guard(options.optimizer, options.regularization) {
  if (!backend) throw StateError("trainer: the backend is not opened; use soma::backend(NAME)");
  if (!(options.average >= 0 && options.average < 1)) {
    throw ShapeError("trainer: average: expected a number from 0 to below 1, got " +
                     std::to_string(options.average));
  }
  if (!model.initialized()) model.initialize(options.seed);
  frozen = frozen_parameters(model, options.freeze);
  const std::size_t slots = optimizer_slots(options.optimizer).size() + (options.average > 0);
  for (std::size_t p = 0; p < model.parameters().size(); ++p) {
    const Parameter& parameter = model.parameters()[p];
    auto& tensors = optimizer.slots.emplace_back();
    if (!parameter.trainable) {
      statistics.push_back(p);
      statistics_before.emplace_back(parameter.value.shape());
    }
    if (!parameter.trainable || frozen[p]) continue;
    for (std::size_t i = 0; i < slots; ++i) tensors.emplace_back(parameter.value.shape());
  }
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
    const auto elements = static_cast<std::size_t>(wanted.shape.elements());
    soma::number_classes(model.losses()[i].loss, {to, elements * sizeof(float)});
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
  state_->forget_programs();
  state_->hooks.clear();
}
void Trainer::observe(StepObserver* observer) noexcept { state_->observer = observer; }

void Trainer::use_schedule(Schedule schedule) {
  State& s = *state_;
  s.rate = Rate(schedule);
  s.schedule = {};
  s.options.schedule = std::move(schedule);
}

void Trainer::use_average() {
  State& s = *state_;
  if (!s.has_average()) return;
  for (std::size_t p = 0; p < s.optimizer.slots.size(); ++p) {
    if (s.optimizer.slots[p].empty()) continue;
    Parameter& parameter = s.model.parameters()[p];
    std::ranges::copy(std::as_const(s.optimizer.slots[p][s.average_slot()]).as<float>(),
                      parameter.value.as<float>().begin());
    ++parameter.version;
  }
}

void Trainer::use_best(const std::filesystem::path& file) {
  State& s = *state_;
  transfer_weights(Model::load(file), s.model);
  if (!s.has_average()) return;
  for (std::size_t p = 0; p < s.optimizer.slots.size(); ++p) {
    if (s.optimizer.slots[p].empty()) continue;
    std::ranges::copy(std::as_const(s.model.parameters()[p].value).as<float>(),
                      s.optimizer.slots[p][s.average_slot()].as<float>().begin());
  }
}

const Progress& Trainer::progress() const noexcept { return state_->progress; }
int Trainer::threads() const noexcept { return state_->threads; }

Evaluation Trainer::evaluate(const Dataset& data, std::int64_t batch) {
  State& s = *state_;
  require_fit(s.model, data);
  const AverageInPlace average(s);
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
  State::Compiled& compiled = state_->load_step(inputs, targets);
  const auto reload = [&] { state_->load_step(inputs, targets); };
  return state_->update(compiled, [&reload] { reload(); });
}

StepTimes Trainer::timed_step(std::span<const TensorView> inputs,
                              std::span<const TensorView> targets) {
  State::Compiled& compiled = state_->load_step(inputs, targets);
  StepTimeline timeline(*compiled.program);
  const auto reload = [&] { state_->load_step(inputs, targets); };
  state_->update(
      compiled, [&reload] { reload(); }, &timeline);
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

StepMemory Trainer::step_memory(std::int64_t batch) {
  return state_->training_program(batch).program->step_memory();
}

}  // namespace soma
