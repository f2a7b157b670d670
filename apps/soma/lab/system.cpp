// S99..S101: neurons in parallel, good practice, and two stories.
#include <bit>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "lint.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/model.hpp"
#include "soma/neuron/neuron_view.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "tasks.hpp"
#include "tour.hpp"

namespace lab {
namespace {

Finding independent_neurons(const Setting& setting) {
  constexpr std::int64_t kInputs = 300, kUnits = 500, kBatch = 64;
  Random random(setting.seed, "lab.independent");
  const auto x = random.normals(kInputs * kBatch);
  std::vector<float> t(kBatch);
  for (float& v : t) v = random.uniform() < 0.5 ? 0.0f : 1.0f;
  soma::Model net({kInputs});
  net.add(soma::Dense{.units = kUnits, .activation = "tanh"}, "hidden")
      .add(soma::Dense{.units = 1}, "out")
      .set_loss(soma::Loss::binary_cross_entropy_with_logits);
  struct Run {
    std::string name;
    std::vector<float> outputs;
    std::string hash;
  };
  std::vector<Run> runs;
  for (const char* name : {"reference", "tbb", "onednn"}) {
    soma::Backend backend;
    try {
      backend = soma::backend(name, {.numerics = soma::Numerics::exact});
    } catch (const soma::Error&) {
      continue;  // not built here
    }
    for (const int threads : {1, 2, 3, 4}) {
      net.initialize(setting.seed + (setting.sabotage && threads == 4 ? 1 : 0));
      soma::Trainer trainer(net, backend,
                            {.optimizer = soma::Adam{}, .seed = setting.seed, .threads = threads});
      for (int step = 0; step < 5; ++step) trainer.step(x, t);
      const soma::Predictor predict(net, backend,
                                    {.max_batch = kBatch, .threads = threads, .concurrency = 1});
      Run run{std::string(name) + "@" + std::to_string(threads), std::vector<float>(kBatch),
              net.weights_sha256()};
      predict.run(std::span<const float>(x), run.outputs);
      runs.push_back(std::move(run));
    }
  }
  // One neuron alone says what it says within its layer.
  std::int64_t same_bits = 0, same_hash = 0, alone = 0;
  for (const Run& run : runs) {
    bool equal = true;
    for (std::size_t i = 0; i < run.outputs.size(); ++i) {
      equal &= std::bit_cast<std::uint32_t>(run.outputs[i]) ==
               std::bit_cast<std::uint32_t>(runs[0].outputs[i]);
    }
    same_bits += equal;
    same_hash += run.hash == runs[0].hash;
  }
  net.initialize(setting.seed);
  const auto hidden = net.parameter("hidden.weight").value.as<float>();
  const auto out = net.layer("hidden").neuron(7).respond(x).activations;
  soma::Model one({kInputs});
  one.add(soma::Dense{.units = 1, .activation = "tanh"}, "hidden");
  one.initialize(setting.seed);
  std::copy_n(hidden.begin() + 7 * kInputs, kInputs,
              one.parameter("hidden.weight").value.as<float>().begin());
  const soma::Predictor single(one, setting.backend,
                               {.max_batch = kBatch, .probabilities = false, .concurrency = 1});
  std::vector<float> y(kBatch);
  single.run(std::span<const float>(x), y);
  for (std::size_t i = 0; i < y.size(); ++i)
    alone += std::bit_cast<std::uint32_t>(y[i]) == std::bit_cast<std::uint32_t>(out[i]);
  Finding found;
  found.holds = runs.size() >= 4 && same_bits == std::ssize(runs) &&
                same_hash == std::ssize(runs) && alone == kBatch;
  found.measured =
      "A layer of 500 neurons, trained for five updates and asked: " + std::to_string(same_bits) +
      " of " + std::to_string(runs.size()) +
      " runs over backends and 1 to 4 threads gave the same bits, " + std::to_string(same_hash) +
      " the same weights; a neuron taken out of its layer says the same in " +
      std::to_string(alone) + " of " + std::to_string(kBatch) + " samples.";
  found.figures = {{"runs", static_cast<double>(runs.size())},
                   {"same_bits", static_cast<double>(same_bits)},
                   {"same_weights", static_cast<double>(same_hash)},
                   {"alone", static_cast<double>(alone)}};
  found.seeds = {setting.seed};
  return found;
}

int findings_of(const soma::Model& model, const TrainingPlan& plan) {
  const LintSubject subject(model, plan, nullptr);
  std::vector<::Finding> list;
  lint_structure(subject, list);
  lint_initialisation(subject, list);
  lint_losses(subject, list);
  lint_training(subject, list);
  int count = 0;
  for (const ::Finding& f : list) count += f.severity != ::Finding::Severity::info;
  return count;
}

Finding best_practice(const Setting& setting) {
  // Against the advice: fifteen sigmoid layers, no skips, a rate far too large. With it: ReLU and
  // He, three layers, a usual rate. Does the linter tell, and does training agree?
  const Task task = curved_classes(setting.seed, 256, 8);
  soma::Model bad({8}, "against"), good({8}, "with");
  for (int i = 0; i < (setting.sabotage ? 3 : 15); ++i)
    bad.add(soma::Dense{.units = 16, .activation = setting.sabotage ? "relu" : "sigmoid"});
  bad.add(soma::Dense{.units = 1}).set_loss(soma::Loss::binary_cross_entropy_with_logits);
  for (int i = 0; i < 3; ++i) good.add(soma::Dense{.units = 16, .activation = "relu"});
  good.add(soma::Dense{.units = 1}).set_loss(soma::Loss::binary_cross_entropy_with_logits);
  const TrainingPlan bad_plan{
      .optimizer = "adam", .learning_rate = setting.sabotage ? 0.01 : 1.0, .batch = 32},
      good_plan{.optimizer = "adam", .learning_rate = 0.01, .batch = 32};
  const int warned = findings_of(bad, bad_plan), quiet = findings_of(good, good_plan);
  const auto last_loss = [&](soma::Model& net, double rate) {
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = rate}, .seed = setting.seed, .threads = 1});
    double loss = 0;
    for (int step = 0; step < 200; ++step) loss = trainer.step(task.x, task.targets);
    return loss;
  };
  const double bad_loss = last_loss(bad, bad_plan.learning_rate),
               good_loss = last_loss(good, good_plan.learning_rate);
  Finding found;
  found.holds = warned >= 2 && quiet == 0 && good_loss < 0.3 * bad_loss;
  found.measured = "The linter found " + std::to_string(warned) +
                   " things wrong with a net built against the advice and " +
                   std::to_string(quiet) +
                   " with one built after it; after 200 updates their losses were " +
                   text_of(bad_loss) + " and " + text_of(good_loss) + ".";
  found.figures = {{"warnings_bad", static_cast<double>(warned)},
                   {"warnings_good", static_cast<double>(quiet)},
                   {"loss_bad", bad_loss},
                   {"loss_good", good_loss}};
  found.seeds = {setting.seed};
  return found;
}

Finding stories(const Setting& setting) {
  const WorkerStory worker = work_shift(setting.sabotage);
  const CookStory cook = cook_soup(setting.sabotage);
  Finding found;
  found.holds = worker.right == worker.days && cook.error_last < 0.01 * cook.error_first;
  found.measured =
      "The factory worker, a neuron with the weights of the story, decided rightly on " +
      std::to_string(worker.right) + " of " + std::to_string(worker.days) +
      " days; the cook, tasting and correcting " + std::to_string(cook.soups) +
      " soups, came from an error of " + text_of(cook.error_first) + " to " +
      text_of(cook.error_last) + ".";
  found.figures = {{"worker_right", static_cast<double>(worker.right)},
                   {"worker_days", static_cast<double>(worker.days)},
                   {"cook_error_first", cook.error_first},
                   {"cook_error_last", cook.error_last}};
  Points errors;
  for (std::size_t i = 0; i < cook.errors.size(); ++i)
    errors.emplace_back(static_cast<double>(i + 1), cook.errors[i]);
  found.picture = Plot("The cook gets better", "soup", "squared error of the taste")
                      .log_y()
                      .line("", errors)
                      .svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"independent_neurons", "S99", "All neurons at once",
     "The neurons of a layer work independently on the same data, so that they can work in "
     "parallel.",
     "Outputs and trained weights over every exact backend and 1 to 4 threads, bit by bit; a "
     "neuron taken out of its layer.",
     "starts the runs of four threads from another seed", independent_neurons},
    {"best_practice", "S100", "Good practice, and bad",
     "Following the usual advice on activations, initialisation, depth and rates makes nets learn.",
     "A net against all advice and one after it: what soma lint says of them, and their losses "
     "after training.",
     "builds both after the advice", best_practice},
    {"stories", "S101", "The factory worker and the cook",
     "A neuron can be explained as a worker who weighs what he sees, learning as a cook who tastes "
     "and corrects.",
     "Both stories, computed (soma lab tour tells them): the worker's decisions against the "
     "story's rule, the cook's error soup by soup.",
     "takes the worker's bias and the cook's corrections away", stories},
};

}  // namespace

std::span<const Experiment> system_experiments() { return kExperiments; }

}  // namespace lab
