#include <cmath>
#include <iostream>

#include "inspection.hpp"
#include "soma/trainer.hpp"
#include "training_run.hpp"

namespace fs = std::filesystem;

namespace {

/// Norm of the difference between two models' weights of a layer by the norm of the first.
double moved(const soma::Model& from, const soma::Model& to, const std::string& layer) {
  double squares = 0, changed = 0;
  for (std::size_t p = 0; p < from.parameters().size(); ++p) {
    const soma::Parameter& before = from.parameters()[p];
    if (!before.trainable || !before.name.starts_with(layer + ".")) continue;
    if (before.value.shape().rank() < 2) continue;
    const auto a = before.value.as<float>();
    const auto b = to.parameters()[p].value.as<float>();
    for (std::size_t i = 0; i < a.size(); ++i) {
      const double d = double{b[i]} - a[i];
      changed += d * d;
      squares += double{a[i]} * a[i];
    }
  }
  return squares > 0 ? std::sqrt(changed / squares) : 0;
}

WeightMoment moment(std::string name, std::int64_t step, const soma::Model& start,
                    const soma::Model& model) {
  WeightMoment m{std::move(name), step, {}};
  for (soma::NamedWeights& weights : soma::examine_weights(model)) {
    const double distance = moved(start, model, weights.layer);
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
