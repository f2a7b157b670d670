#include "soma/random_step.hpp"

#include <optional>

#include "model/parameters.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "train/random_batch.hpp"

namespace soma {
namespace {

/// With the same weights, or those of seed 1.
Model copy_of(const Model& model) {
  Model copy = Model::from_json(model.to_json());
  if (!model.initialized()) {
    copy.initialize(1);
    return copy;
  }
  make_parameters(copy);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    copy.parameters()[i].value = model.parameters()[i].value.clone();
  }
  return copy;
}

}  // namespace

struct RandomStep::State {
  Model model;
  RandomBatch batch;
  std::int64_t samples;
  std::optional<Trainer> trainer;
  std::optional<Predictor> predictor;
  std::vector<std::vector<float>> results;
  std::vector<std::span<float>> outputs;

  State(const Model& from, const Backend& backend, const StepKind& kind)
      : model(copy_of(from)), batch(model, kind.batch), samples(kind.batch) {
    if (kind.purpose == Purpose::train) {
      trainer.emplace(model, backend,
                      TrainerOptions{.optimizer = kind.optimizer, .threads = kind.threads});
      return;
    }
    predictor.emplace(
        model, backend,
        PredictorOptions{.max_batch = kind.batch, .threads = kind.threads, .concurrency = 1});
    for (std::size_t i = 0; i < predictor->outputs(); ++i) {
      const std::int64_t size = predictor->output_size(i) * kind.batch;
      outputs.emplace_back(results.emplace_back(static_cast<std::size_t>(size)));
    }
  }
};

RandomStep::RandomStep(const Model& model, const Backend& backend, const StepKind& kind)
    : state_(std::make_unique<State>(model, backend, kind)) {}
RandomStep::~RandomStep() = default;
RandomStep::RandomStep(RandomStep&&) noexcept = default;
RandomStep& RandomStep::operator=(RandomStep&&) noexcept = default;

void RandomStep::run() {
  State& s = *state_;
  if (s.trainer) {
    s.trainer->step(s.batch.inputs(), s.batch.targets());
  } else {
    s.predictor->run(s.batch.inputs(), s.outputs);
  }
}

StepTimes RandomStep::timed_run() {
  State& s = *state_;
  if (s.trainer) return s.trainer->timed_step(s.batch.inputs(), s.batch.targets());
  return s.predictor->timed_run(s.batch.inputs(), s.outputs);
}

StepMemory RandomStep::step_memory() {
  State& s = *state_;
  return s.trainer ? s.trainer->step_memory(s.samples) : s.predictor->step_memory();
}

}  // namespace soma
