#include <algorithm>
#include <filesystem>
#include <iostream>

#include "command_line.hpp"
#include "compare_runs.hpp"
#include "files.hpp"
#include "lockstep.hpp"
#include "recipes.hpp"
#include "session.hpp"

namespace fs = std::filesystem;
using nlohmann::ordered_json;

namespace {

struct Request {
  std::string a, b, model, data, run, optimizer;
  std::optional<std::int64_t> steps, batch, seed;
  std::optional<double> learning_rate;
  bool json = false;
};

constexpr std::int64_t kDefaultSteps = 20;

std::int64_t steps_of(const RunConfig& config, std::int64_t samples) {
  const std::int64_t batch = std::min(config.batch, samples);
  return config.steps > 0 ? config.steps : config.epochs * ((samples + batch - 1) / batch);
}

/// A run of its own, as `soma train` would begin it.
ReplayJob new_job(const Request& r) {
  RunConfig config;
  config.data = r.data.empty() ? "glyphs" : r.data;
  const soma::DataSplit data = soma::data::load(config.data);
  const soma::Model model = soma::Model::named(r.model.empty() ? "lenet5" : r.model, data.train);
  require_fit(model, data.train);
  const Recipe& recipe = recipe_for(model.name());
  config.model = model.name();
  config.architecture = model.to_json();
  config.batch = r.batch.value_or(recipe.batch);
  config.optimizer = r.optimizer.empty()
                         ? optimizer_named(std::string(recipe.optimizer),
                                           r.learning_rate.value_or(recipe.learning_rate))
                         : optimizer_named(r.optimizer, r.learning_rate);
  config.seed = r.seed.value_or(1);
  config.steps = r.steps.value_or(kDefaultSteps);
  ReplayJob job = replay_job(config, {});
  job.until = config.steps;
  return job;
}

/// The same as an existing run.
ReplayJob job_of_run(const Request& r) {
  const RunFolder folder{r.run};
  const RunConfig config = folder.read_config();
  require_data(config);
  ReplayJob job = replay_job(config, {});
  if (fs::exists(folder.certificate())) {
    job = replay_job(TrainingCertificate::from_json(read_file(folder.certificate()),
                                                    folder.certificate().string()),
                     {});
  }
  const std::int64_t all = steps_of(config, soma::data::load(config.data).train.size());
  job.until = std::min(all, r.steps.value_or(kDefaultSteps));
  return job;
}

int compare_backends(const Request& r) {
  const Side defaults{.threads = usable_cpus()};
  const Side a = side_from(r.a, defaults), b = side_from(r.b, defaults);
  ReplayJob left = r.run.empty() ? new_job(r) : job_of_run(r);
  ReplayJob right = left;
  left.side = a;
  right.side = b;
  const RunConfig& config = left.config;
  const Comparison comparison = compare_in_lockstep(left, right);
  if (r.json) {
    ordered_json line = comparison_json(comparison);
    line["model"] = config.model;
    line["data"] = config.data;
    line["batch"] = config.batch;
    line["seed"] = config.seed;
    std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << "\n";
  } else {
    std::cout << config.model << " on " << config.data << ", " << left.until << " steps of batch "
              << config.batch << ", seed " << config.seed << "\n";
    print_comparison(comparison, std::cout);
  }
  return comparison.passed() ? 0 : 1;
}

}  // namespace

int run_compare(Arguments args) {
  Request r;
  CommandLine line(
      "compare", "A B [options]",
      "Where A and B first differ. Backends, each NAME[+FALLBACK][:fast|:exact|:bf16][@THREADS] "
      "(exact, "
      "all "
      "CPUs): trains on both in\nlock-step and names the first step, layer, op and element whose "
      "values may not be what they are. Run folders: their\nconfigurations, weights after each "
      "epoch, weights at the end and, if those differ, the first step, as above.");
  line.positional("A", &r.a)
      .positional("B", &r.b)
      .option("model", &r.model, "MODEL",
              "what backends train: a built-in name or a JSON file (default lenet5)")
      .option("data", &r.data, "SPEC", "on what (default glyphs)")
      .option("run", &r.run, "RUN", "train as that run did instead")
      .option("steps", &r.steps, "N",
              "updates (default 20; of run folders: up to where they differ)")
      .option("batch", &r.batch, "B", "samples per update (default: by model)")
      .option("optimizer", &r.optimizer, "NAME", "default: by model")
      .option("lr", &r.learning_rate, "X", "learning rate (default: by model or optimizer)")
      .option("seed", &r.seed, "S", "of first weights and order of samples (default 1)")
      .flag("json", &r.json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("steps", r.steps, 1);
  require_at_least("batch", r.batch, 1);
  require_at_least("seed", r.seed, 0);
  const bool folder_a = fs::is_directory(r.a), folder_b = fs::is_directory(r.b);
  if (folder_a != folder_b) {
    throw UsageError("compare: '" + (folder_a ? r.a : r.b) + "' is a folder and '" +
                     (folder_a ? r.b : r.a) + "' is not; expected two backends or two run folders");
  }
  if (!folder_a && !folder_b) {
    for (const char* option : {"model", "data", "batch", "optimizer", "lr", "seed"}) {
      if (!r.run.empty() && line.given(option)) {
        throw UsageError("--" + std::string(option) + ": the run of --run has its own");
      }
    }
    return compare_backends(r);
  }
  for (const char* option : {"model", "data", "run", "batch", "optimizer", "lr", "seed"}) {
    if (line.given(option)) {
      throw UsageError("--" + std::string(option) + " goes with backends, not with run folders");
    }
  }
  return compare_runs(r.a, r.b, r.steps, r.json);
}
