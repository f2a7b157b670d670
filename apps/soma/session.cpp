#include "session.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "files.hpp"

namespace fs = std::filesystem;

RunConfig RunFolder::read_config() const {
  if (!fs::is_directory(path)) {
    throw soma::FormatError("run folder " + path.string() + " does not exist");
  }
  if (!fs::exists(config())) {
    throw soma::FormatError(path.string() + " is not a run folder: it has no config.json");
  }
  return RunConfig::from_json(read_file(config()), config().string());
}

TrainedModel load_trained(const std::string& run_or_file) {
  if (!fs::is_directory(run_or_file)) {
    if (!fs::exists(run_or_file)) {
      throw soma::FormatError("no run folder and no model file is called " + run_or_file);
    }
    return {soma::Model::load(run_or_file), run_or_file, std::nullopt};
  }
  const RunFolder run{run_or_file};
  RunConfig config = run.read_config();
  if (!fs::exists(run.model())) {
    throw soma::FormatError("run " + run_or_file +
                            " is not finished, it has no model.safetensors; finish it with: soma "
                            "train --resume " +
                            run_or_file);
  }
  return {soma::Model::load(run.model()), run.model(), std::move(config)};
}

soma::Backend open_backend(const std::string& name, soma::Numerics numerics) {
  soma::Backend backend = soma::backend(name, {.numerics = numerics});
  if (name == "auto") {
    std::cerr << "backend auto: took " << backend.name()
              << ", the first that is ready of onednn, tbb, reference\n";
  }
  return backend;
}

void require_fit(const soma::Model& model, const soma::Dataset& data) {
  const std::string what = "model '" + model.name() + "' and data '" + data.name() + "'";
  // A model that takes plain rows takes samples of any shape with as many numbers.
  const bool same = model.input_shape() == data.sample_shape() ||
                    (model.input_shape().rank() == 1 &&
                     model.input_shape().elements() == data.sample_shape().elements());
  if (!same) {
    throw soma::ShapeError(what + " do not fit: the model wants samples " +
                           model.input_shape().str() + ", the data has " +
                           data.sample_shape().str());
  }
  if (model.loss() == soma::Loss::softmax_cross_entropy) {
    if (!data.is_classification()) {
      throw soma::ShapeError(what + " do not fit: the model's loss wants classes, the data has " +
                             "targets " + data.target_shape().str());
    }
    if (model.output_shape().elements() < data.classes()) {
      throw soma::ShapeError(
          what + " do not fit: the model has " + std::to_string(model.output_shape().elements()) +
          " outputs, the data has " + std::to_string(data.classes()) + " classes");
    }
  } else if (data.is_classification()) {
    throw soma::ShapeError(what + " do not fit: the model's loss " + name_of(model.loss()) +
                           " wants targets, the data has classes");
  } else if (model.output_shape().elements() != data.target_shape().elements()) {
    throw soma::ShapeError(what + " do not fit: the model's output is " +
                           model.output_shape().str() + ", the data's targets are " +
                           data.target_shape().str());
  }
}

int usable_cpus() {
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) return 1;
  return std::max(1, CPU_COUNT(&cpus));
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t i = text.size(); i > first + 3; i -= 3) text.insert(i - 3, ",");
  return text;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", share * 100);
  return text;
}
