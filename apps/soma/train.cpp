#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "command_line.hpp"
#include "memory.hpp"
#include "recipes.hpp"
#include "soma/transfer.hpp"
#include "training_run.hpp"

namespace {

constexpr int kStopped = 130;

/// The command line, as given: what is absent comes from the model's defaults or from the run.
struct Request {
  std::string model, data, backend, fallback, numerics, optimizer, schedule, augment, out, resume;
  std::optional<std::int64_t> threads, epochs, steps, batch, seed, checkpoint_every;
  std::optional<double> learning_rate, momentum, weight_decay;
  std::optional<double> l1, l2, clip_value, clip_norm, max_norm;
  HabitOptions habits;
  bool json = false;
};

/// What regularizes a run, with the option that asks for it.
constexpr struct {
  const char* option;
  std::optional<double> Request::*given;
  double soma::Regularization::*field;
  const char* help;
} kRegularizers[] = {
    {"l1", &Request::l1, &soma::Regularization::l1, "adds X * sum |w| to what is minimised"},
    {"l2", &Request::l2, &soma::Regularization::l2, "adds X / 2 * sum w^2 to what is minimised"},
    {"clip-value", &Request::clip_value, &soma::Regularization::clip_value,
     "holds each element of the gradients within [-X, X]"},
    {"clip-norm", &Request::clip_norm, &soma::Regularization::clip_norm,
     "scales all gradients down together to this norm"},
    {"max-norm", &Request::max_norm, &soma::Regularization::max_norm,
     "scales the weights of each unit down to this norm after each update"},
};

void check(const CommandLine& line, const Request& r) {
  require_at_least("threads", r.threads, 1);
  require_at_least("epochs", r.epochs, 1);
  require_at_least("steps", r.steps, 1);
  require_at_least("batch", r.batch, 1);
  require_at_least("seed", r.seed, 0);
  require_at_least("checkpoint-every", r.checkpoint_every, 1);
  if (r.epochs && r.steps) throw UsageError("--epochs and --steps exclude each other");
  std::vector<std::pair<const char*, std::optional<double>>> rates = {
      {"lr", r.learning_rate}, {"momentum", r.momentum}, {"weight-decay", r.weight_decay}};
  for (const auto& by : kRegularizers) rates.emplace_back(by.option, r.*by.given);
  for (const auto& [name, value] : rates) {
    if (value && (!std::isfinite(*value) || *value < 0)) {
      throw UsageError("--" + std::string(name) + ": expected a number of 0 or more");
    }
  }
  if (r.momentum && *r.momentum >= 1) throw UsageError("--momentum: expected a number below 1");
  if (!r.optimizer.empty() && r.optimizer != "momentum") {
    try {
      soma::optimizer_from_name(r.optimizer);  // looks for a plugin only if it has to
    } catch (const soma::StateError&) {
      std::vector<std::string> choices = soma::optimizer_names();
      choices.insert(choices.begin() + 1, "momentum");
      require_one_of("optimizer", r.optimizer, choices);
    }
  }
  r.habits.check(line, !r.resume.empty());
  if (r.resume.empty()) {
    if (r.model.empty()) throw UsageError("train: missing MODEL (see 'soma train --help')");
    if (r.data.empty() && recipe_for(r.model).data.empty()) {
      throw UsageError("train: missing --data SPEC (see 'soma train --help')");
    }
    return;
  }
  for (const char* name :
       {"MODEL", "data", "out", "optimizer", "lr", "schedule", "augment", "momentum",
        "weight-decay", "l1", "l2", "clip-value", "clip-norm", "max-norm", "batch", "seed"}) {
    if (line.given(name)) {
      const std::string option = std::string(name) == "MODEL" ? "MODEL" : "--" + std::string(name);
      throw UsageError(option + " cannot be changed in a run that is resumed");
    }
  }
}

soma::Optimizer make_optimizer(const Request& r, const Recipe& recipe) {
  const std::string type = r.optimizer.empty() ? std::string(recipe.optimizer) : r.optimizer;
  const bool own = type == recipe.optimizer;
  const double rate =
      r.learning_rate.value_or(own ? recipe.learning_rate : default_learning_rate(type));
  soma::Optimizer optimizer = optimizer_named(type, rate);
  const bool has_momentum = optimizer.type == "sgd" || optimizer.type == "rmsprop";
  if (r.momentum && !has_momentum) {
    throw UsageError("--momentum: " + type + " has none, use --optimizer momentum");
  }
  soma::Attributes options;
  for (const auto& [name, value] : optimizer.options.entries()) {
    if (name == "momentum" && r.momentum) {
      options.set(name, *r.momentum);
    } else if (name == "weight_decay" && r.weight_decay) {
      options.set(name, *r.weight_decay);
    } else if (name == "weight_decay" && own && recipe.weight_decay >= 0) {
      options.set(name, recipe.weight_decay);
    } else {
      options.set(name, value);
    }
  }
  optimizer.options = options;
  return optimizer;
}

/// What may be changed when a run is resumed, and is also taken for a new one.
void apply_session(const Request& r, RunConfig& config) {
  if (!r.backend.empty()) config.backend = r.backend;
  if (!r.fallback.empty()) config.fallback = r.fallback;
  if (!r.numerics.empty()) config.numerics = numerics_from_name(r.numerics);
  if (r.threads) config.threads = *r.threads;
  if (r.checkpoint_every) config.checkpoint_every = *r.checkpoint_every;
  r.habits.apply(config.habits);
  if (r.epochs) {
    config.epochs = *r.epochs;
    config.steps = 0;
  }
  if (r.steps) config.steps = *r.steps;
}

/// What is not said on the command line, as the model's recipe has it.
void apply_recipe(const Request& r, const Recipe& recipe, std::int64_t samples, RunConfig& config) {
  config.batch = r.batch.value_or(recipe.batch);
  config.epochs = epochs_of(recipe, samples, config.batch);
  config.steps = recipe.steps;
  config.optimizer = make_optimizer(r, recipe);
  const std::string_view schedule = r.schedule.empty() ? recipe.schedule : r.schedule;
  if (!schedule.empty()) config.schedule = soma::Schedule(schedule);
  for (const auto& by : kRegularizers) config.regularization.*by.field = (r.*by.given).value_or(0);
  if (!r.clip_norm) config.regularization.clip_norm = recipe.clip_norm;
  if (!r.l2) config.regularization.l2 = recipe.prior / static_cast<double>(samples);
  const std::string_view augment = r.augment.empty() ? recipe.augmentation : r.augment;
  config.augmentation = soma::Augmentation::from_text(augment == "none" ? "" : augment);
}

/// The SPEC as given or, without one, the data that the model is made for.
std::string data_for(const Request& r) {
  const Recipe& recipe = recipe_for(r.model);
  if (r.data.empty()) return std::string(recipe.data);
  const std::string spec = fitting_data(recipe, r.data);
  if (spec != r.data) std::cerr << "data: " << r.model << " learns its inputs: " << spec << "\n";
  return spec;
}

soma::DataSplit load_data(const std::string& spec) {
  soma::DataSplit data = soma::data::load(spec);
  for (const std::string& note : data.train.notes()) std::cerr << "data: " << note << "\n";
  return data;
}

/// Begins with the weights of another model, and says what it took.
void take_weights(const std::string& from, soma::Model& model, std::int64_t seed) {
  const soma::Transfer transfer =
      soma::transfer_weights(load_trained(from).model, model, static_cast<std::uint64_t>(seed));
  std::cerr << "from " << from << ": took " << transfer.taken.size() << " of "
            << transfer.taken.size() + transfer.left.size() << " parameters";
  for (const std::string& name : transfer.left) {
    std::cerr << (name == transfer.left.front() ? "; anew: " : ", ") << name;
  }
  std::cerr << "\n";
}

}  // namespace

std::unique_ptr<TrainingRun> begin_run(RunConfig config, soma::Model model, soma::DataSplit data,
                                       const std::string& out) {
  if (!config.habits.from.empty()) take_weights(config.habits.from, model, config.seed);
  auto run = std::make_unique<TrainingRun>(std::move(config), std::move(model), std::move(data));
  run->create_folder(out);
  return run;
}

namespace {

std::unique_ptr<TrainingRun> new_run(const Request& r) {
  const std::string spec = data_for(r);
  soma::DataSplit data = load_data(spec);
  soma::Model model = soma::Model::named(r.model, data.train);
  RunConfig config;
  config.model = model.name();
  config.architecture = model.to_json();
  config.data = spec;
  apply_recipe(r, recipe_for(config.model), data.train.size(), config);
  config.seed = r.seed.value_or(1);
  apply_session(r, config);
  return begin_run(std::move(config), std::move(model), std::move(data), r.out);
}

std::unique_ptr<TrainingRun> resumed_run(const Request& r) {
  const RunFolder folder{r.resume};
  RunConfig config = folder.read_config();
  apply_session(r, config);
  soma::Model model =
      soma::Model::from_json(config.architecture, folder.config().string() + ", architecture");
  soma::DataSplit data = load_data(config.data);
  auto run = std::make_unique<TrainingRun>(std::move(config), std::move(model), std::move(data));
  run->open_folder(r.resume);
  return run;
}

nlohmann::ordered_json health_json(const TrainingRun& run) {
  const HealthWatch& health = run.health();
  auto alarms = nlohmann::ordered_json::array();
  for (const auto& [alarm, step] : health.raised()) {
    alarms.push_back({{"code", name_of(alarm.kind)},
                      {"layer", alarm.layer},
                      {"step", step},
                      {"measured", alarm.measured},
                      {"threshold", alarm.threshold}});
  }
  return {{"looks", health.looks()},
          {"seconds", run.probe().seconds()},
          {"taken_seconds", run.probe().taken_seconds()},
          {"alarms", alarms}};
}

std::string health_line(const TrainingRun& run) {
  const HealthWatch& health = run.health();
  const std::size_t alarms = health.raised().size();
  const std::string looks = std::to_string(health.looks()) +
                            (health.looks() == 1 ? " look" : " looks") + " at the layers";
  if (alarms == 0) return "health  " + looks + ", no alarm\n";
  return "health  " + looks + ", " + std::to_string(alarms) + (alarms == 1 ? " alarm" : " alarms") +
         "; more by: soma inspect " + run.folder().path.string() + "\n";
}

void print_result(const TrainingRun& run, const TrainingRun::Result& result, bool json) {
  const RunConfig& config = run.config();
  const soma::Progress& at = result.progress;
  const bool classes = !result.evaluation.confusion.empty();
  const double rate = at.seconds > 0 ? static_cast<double>(at.samples) / at.seconds : 0;
  if (json) {
    nlohmann::ordered_json line = {
        {"run", run.folder().path.string()},
        {"model", config.model},
        {"data", config.data},
        {"backend", run.backend_name()},
        {"numerics", name_of(config.numerics)},
        {"threads", run.threads()},
        {"seed", config.seed},
        {"steps", at.step},
        {"epochs", static_cast<double>(at.step) / static_cast<double>(run.steps_per_epoch())},
        {"train_loss", result.train_loss},
        {"test_loss", result.evaluation.loss},
        {"test_accuracy", nullptr},
        {"seconds", at.seconds},
        {"data_seconds", at.data_seconds},
        {"samples_per_second", rate},
        {"best_epoch", nullptr},
        {"stopped_early", at.stopped_early},
        {"rewinds", at.rewinds},
        {"weights_sha256", result.weights_sha256}};
    if (at.best_epoch >= 0) line["best_epoch"] = at.best_epoch + 1;
    if (classes) line["test_accuracy"] = result.evaluation.accuracy;
    if (const soma::FallbackReport fell = run.backend().fallback(); !fell.backend.empty()) {
      line["fallback"] = {{"backend", fell.backend}, {"ops", fell.ops}, {"share", fell.share}};
    }
    if (config.habits.health) line["health"] = health_json(run);
    line["metrics"] = figures_json(result.evaluation, run.test_data());
    line["peak_memory_bytes"] = peak_resident_bytes();
    line["checkpoint_stall_seconds"] = result.checkpoint_stall_seconds;
    std::cout << line.dump() << "\n";
    return;
  }
  char losses[96], speed[96], waited[48] = "";
  std::snprintf(losses, sizeof losses, "train loss %.4f, test loss %.4f", result.train_loss,
                result.evaluation.loss);
  std::snprintf(speed, sizeof speed, "%.1f s, %.0f samples/s", at.seconds, rate);
  if (at.data_seconds > 0.001 * at.seconds) {
    std::snprintf(waited, sizeof waited, ", %.1f %% of it waiting for data",
                  100 * at.data_seconds / at.seconds);
  }
  std::cout << losses << (classes ? ", test accuracy " + percent(result.evaluation.accuracy) : "")
            << "\n"
            << grouped(at.step) << " steps in " << speed << waited << "\n"
            << "weights " << result.weights_sha256 << "\n"
            << (fallback_line(run.backend()).empty() ? "" : fallback_line(run.backend()) + "\n")
            << (config.habits.health ? health_line(run) : "") << "run     "
            << run.folder().path.string() << " (open " << run.folder().report().string() << ")\n";
}

}  // namespace

int run_train(Arguments args) {
  Request r;
  CommandLine line(
      "train", "MODEL [--data SPEC] [options] | --resume RUN [options]",
      "Trains MODEL, a built-in name (see 'soma models') or a "
      "JSON file, and leaves a run folder\nwith weights, checkpoints, metrics.csv and report.html. "
      "SIGINT and SIGTERM save and stop.");
  line.positional("MODEL", &r.model, false)
      .option(
          "data", &r.data, "SPEC",
          "data set: a name of 'soma data list', csv:FILE, text:FILE, idx:DIR, ... (default: what "
          "a built-in model is made for)")
      .option("backend", &r.backend, "NAME", "auto (default) or one of 'soma backends'")
      .option("fallback", &r.fallback, "NAME",
              "the backend for ops that this one lacks (reference); without it they are an error")
      .option("threads", &r.threads, "N", "threads; all usable CPUs if absent")
      .option("numerics", &r.numerics, "KIND",
              "fast (default); exact: the same bits on every backend; bf16: products of bfloat16 "
              "operands, weights stay float32")
      .option("epochs", &r.epochs, "E",
              "passes over the training data (default: the model's, or 1)")
      .option("steps", &r.steps, "S", "stop after S updates instead")
      .option("batch", &r.batch, "B", "samples per update")
      .option("optimizer", &r.optimizer, "NAME",
              "sgd, momentum, adagrad, rmsprop, adadelta, adam, adamw, nadam, lion or a plugin's")
      .option("lr", &r.learning_rate, "X", "learning rate")
      .option(
          "schedule", &r.schedule, "TEXT",
          "of the learning rate: cosine(warmup=100), step(every=1000,factor=0.5), constant, ...")
      .option(
          "augment", &r.augment, "LIST",
          "change training images anew in every epoch: flip,crop=4,shift=2,noise=0.05,cutout=8; "
          "none")
      .option("momentum", &r.momentum, "X",
              "momentum of sgd or rmsprop (0.9 for --optimizer momentum)")
      .option("weight-decay", &r.weight_decay, "X",
              "added to the gradient; adamw, lion: decoupled");
  for (const auto& by : kRegularizers) line.option(by.option, &(r.*by.given), "X", by.help);
  r.habits.declare(line);
  line.option("seed", &r.seed, "S", "of first weights and shuffling (default 1)")
      .option("out", &r.out, "RUN", "the run folder, new or empty (default runs/MODEL-DATA-<n>)")
      .option("resume", &r.resume, "RUN",
              "go on with that run; backend, threads, numerics, epochs, steps may change")
      .option("checkpoint-every", &r.checkpoint_every, "STEPS",
              "checkpoint also every STEPS (default: about every 15 s)")
      .flag("json", &r.json, "print one line of JSON at the end, and nothing else, on stdout");
  if (!line.parse(args)) return 0;
  check(line, r);

  const std::unique_ptr<TrainingRun> session = r.resume.empty() ? new_run(r) : resumed_run(r);
  TrainingRun& run = *session;
  std::cerr << run.config().model << " on " << run.config().data << ": backend "
            << run.backend_name() << " (" << name_of(run.config().numerics) << "), "
            << run.threads() << (run.threads() == 1 ? " thread" : " threads") << ", "
            << run.target_steps() << " steps, run " << run.folder().path.string() << "\n";
  const TrainingRun::Result result = run.run();
  if (!result.finished) {
    std::cerr << "soma: stopped at step " << result.progress.step << " of " << run.target_steps()
              << " and saved; go on with: soma train --resume " << run.folder().path.string()
              << "\n";
    return kStopped;
  }
  print_result(run, result, r.json);
  return 0;
}
