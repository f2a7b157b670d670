#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "figures.hpp"
#include "session.hpp"
#include "soma/trainer.hpp"

int run_eval(Arguments args) {
  std::string source, spec, fallback, backend_name = "auto", numerics = "fast";
  std::optional<std::int64_t> threads, batch;
  bool json = false;
  CommandLine line(
      "eval", "RUN|FILE [--data SPEC] [options]",
      "Loss, accuracy, precision, recall, R2 and the like on the test part of a data set; RUN "
      "is a run folder, FILE a "
      ".safetensors model.\nA run's own data is taken when --data is absent.");
  line.positional("RUN", &source)
      .option("data", &spec, "SPEC",
              "data set: a name of 'soma data list', csv:FILE, text:FILE, idx:DIR, ...")
      .option("backend", &backend_name, "NAME", "auto (default) or one of 'soma backends'")
      .option("fallback", &fallback, "NAME", "the backend for ops that this one lacks")
      .option("threads", &threads, "N", "threads; all usable CPUs if absent")
      .option("numerics", &numerics, "KIND", "fast (default), exact or bf16")
      .option("batch", &batch, "B", "samples at a time (default 256)")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("threads", threads, 1);
  require_at_least("batch", batch, 1);
  const soma::Numerics kind = numerics_from_name(numerics);

  TrainedModel trained = load_trained(source);
  if (spec.empty()) {
    if (!trained.config) throw UsageError("eval: a model file needs --data SPEC");
    spec = trained.config->data;
  }
  // The run's own test part, or whatever other data hold, read as the model learned to.
  const bool own = trained.config && trained.config->data == spec;
  const soma::Dataset data =
      soma::data::load(spec, {.format = own ? nullptr : &trained.model.record_format()}).test;
  for (const std::string& note : data.notes()) std::cerr << "data: " << note << "\n";
  require_fit(trained.model, data);
  const std::int64_t samples =
      std::max<std::int64_t>(1, std::min(batch.value_or(256), data.size()));
  const soma::Backend backend = open_backend(backend_name, trained.model,
                                             {.batch = samples,
                                              .threads = static_cast<int>(threads.value_or(0)),
                                              .numerics = kind,
                                              .fallback = fallback},
                                             data.size() / samples, Tell::when_measured);
  soma::Trainer trainer(trained.model, backend, {.threads = static_cast<int>(threads.value_or(0))});
  const auto start = std::chrono::steady_clock::now();
  const soma::Evaluation result = trainer.evaluate(data, batch.value_or(256));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  if (json) {
    nlohmann::ordered_json out = {{"file", trained.file.string()},
                                  {"model", trained.model.name()},
                                  {"data", spec},
                                  {"backend", backend.name()},
                                  {"numerics", name_of(kind)},
                                  {"threads", trainer.threads()},
                                  {"samples", result.samples},
                                  {"test_loss", result.loss},
                                  {"test_accuracy", nullptr},
                                  {"seconds", seconds},
                                  {"weights_sha256", trained.model.weights_sha256()}};
    if (data.is_classification()) out["test_accuracy"] = result.accuracy;
    out["metrics"] = figures_json(result, data);
    out["classes"] = classes_json(result, data);
    out["confusion"] = confusion_json(result);
    std::cout << out.dump() << "\n";
    return 0;
  }
  char loss[48];
  std::snprintf(loss, sizeof loss, "test loss %.4f", result.loss);
  std::cout << trained.model.name() << " on " << spec << ", " << grouped(result.samples)
            << " samples: " << loss;
  if (data.is_classification()) std::cout << ", accuracy " << percent(result.accuracy);
  std::cout << "\n";
  print_figures(std::cout, result, data);
  if (const std::string line = fallback_line(backend); !line.empty()) std::cout << line << "\n";
  return 0;
}
