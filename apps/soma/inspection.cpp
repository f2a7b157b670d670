#include "inspection.hpp"

#include <algorithm>
#include <chrono>
#include <iostream>

#include "command_line.hpp"
#include "recipes.hpp"
#include "training_run.hpp"
#include "work_bar.hpp"

namespace fs = std::filesystem;

namespace {

/// How a model that comes without its run would be trained.
soma::TrainerOptions likely_training(const soma::Model& model) {
  const Recipe& recipe = recipe_for(model.name());
  soma::TrainerOptions options;
  options.optimizer = optimizer_named(std::string(recipe.optimizer), recipe.learning_rate);
  options.regularization.clip_norm = recipe.clip_norm;
  return options;
}

}  // namespace

Inspection inspect_model(const std::string& run_or_file, const InspectionPlan& plan) {
  const auto begin = std::chrono::steady_clock::now();
  const TrainedModel trained = load_trained(run_or_file);
  const bool is_run = trained.config.has_value();
  if (plan.data.empty() && !is_run) throw UsageError("inspect: a model file needs --data SPEC");
  Inspection found{.source = run_or_file, .model = trained.model.name()};
  found.data = plan.data.empty() ? trained.config->data : plan.data;
  found.has_run = is_run;
  found.numerics = plan.numerics;
  const bool own = is_run && trained.config->data == found.data;
  const soma::Dataset data =
      soma::data::load(found.data, {.format = own ? nullptr : &trained.model.record_format()}).test;
  for (const std::string& note : data.notes()) std::cerr << "data: " << note << "\n";
  require_fit(trained.model, data);
  found.class_names = data.class_names();
  const std::int64_t batch = std::max<std::int64_t>(1, std::min(plan.batch, data.size()));
  const soma::Backend backend = open_backend(plan.backend, trained.model,
                                             {.batch = batch,
                                              .threads = plan.threads,
                                              .numerics = plan.numerics,
                                              .fallback = plan.fallback},
                                             2 * data.size() / batch, Tell::when_measured);
  found.backend = backend.name();

  soma::ExaminationOptions options;
  options.batch = batch;
  options.training = is_run ? trainer_options(*trained.config) : likely_training(trained.model);
  options.training.threads = plan.threads;
  const RunFolder run{run_or_file};
  found.has_optimizer = is_run && fs::exists(run.checkpoint());
  if (found.has_optimizer) options.checkpoint = run.checkpoint();
  found.optimizer = options.training.optimizer.type;
  found.learning_rate = options.training.optimizer.learning_rate;
  {
    WorkBar bar(static_cast<std::size_t>(data.size()), "samples");
    options.on_samples = [&](std::int64_t samples) {
      bar.show(static_cast<std::size_t>(samples), "responses");
    };
    found.examination = soma::examine(trained.model, backend, data, options);
  }
  soma::Model copy = soma::Model::load(trained.file);
  soma::Trainer trainer(copy, backend, {.threads = plan.threads});
  found.threads = trainer.threads();
  found.evaluation = trainer.evaluate(data, batch);
  if (is_run) {
    found.moments = weight_moments(trained, run, backend);
    found.epochs = HealthLog(run.health()).epochs();
  }
  found.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return found;
}
