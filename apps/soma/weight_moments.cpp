#include <iostream>

#include "inspection.hpp"
#include "soma/trainer.hpp"
#include "training_run.hpp"

namespace fs = std::filesystem;

namespace {

WeightMoment moment(std::string name, std::int64_t step, const soma::Model& start,
                    const soma::Model& model) {
  WeightMoment m{std::move(name), step, {}};
  for (soma::NamedWeights& weights : soma::examine_weights(model)) {
    const double distance = soma::weight_change(start, model, weights.layer).value_or(0);
    m.layers.push_back({std::move(weights), distance});
  }
  return m;
}

}  // namespace

std::vector<WeightMoment> weight_moments(const TrainedModel& trained, const RunFolder& run,
                                         const soma::Backend& backend) {
  const RunConfig& config = *trained.config;
  const auto fresh = [&] {
    return soma::Model::from_json(config.architecture, run.config().string() + ", architecture");
  };
  soma::Model start = fresh();
  start.initialize(static_cast<std::uint64_t>(config.seed));
  std::vector<WeightMoment> list;
  // Weights taken over from another model are not those of the seed.
  const bool seeded = config.habits.from.empty();
  if (seeded) list.push_back(moment("start", 0, start, start));
  const soma::Model& origin = seeded ? start : trained.model;
  std::int64_t last = 0;
  for (const auto& [name, file] : {std::pair("checkpoint before", run.previous()),
                                   std::pair("checkpoint", run.checkpoint())}) {
    if (!fs::exists(file)) continue;
    try {
      soma::Model model = fresh();
      soma::Trainer trainer(model, backend, trainer_options(config));
      trainer.load_checkpoint(file);
      last = trainer.progress().step;
      list.push_back(moment(name, last, origin, model));
    } catch (const soma::FormatError& e) {
      std::cerr << "soma: " << e.what() << "; left out\n";
    }
  }
  list.push_back(moment("model", last, origin, trained.model));
  return list;
}
