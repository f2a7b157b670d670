#include "session.hpp"

#include <sched.h>

#include <algorithm>
#include <cstdio>
#include <iostream>

#include "auto_backend.hpp"
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

soma::Model any_model(const std::string& what) {
  if (fs::is_directory(what)) {
    const RunFolder run{what};
    const RunConfig config = run.read_config();
    if (fs::exists(run.model())) return soma::Model::load(run.model());
    return soma::Model::from_json(config.architecture, run.config().string() + ", architecture");
  }
  if (what.ends_with(".safetensors")) return soma::Model::load(what);
  return soma::Model::named(what);
}

soma::Backend open_backend(const std::string& name, const soma::Model& model,
                           const soma::StepKind& step, std::int64_t steps, Tell tell) {
  const std::string chosen =
      name == "auto" ? auto_backend(model, step, steps, tell == Tell::always) : name;
  return soma::backend(chosen, {.numerics = step.numerics, .fallback = step.fallback});
}

soma::Backend open_backend(const std::string& name, soma::Numerics numerics,
                           const std::string& fallback) {
  soma::Backend backend = soma::backend(name, {.numerics = numerics, .fallback = fallback});
  if (name == "auto") {
    std::cerr << "backend auto: took " << backend.name()
              << ", the first that is ready of onednn, tbb, reference\n";
  }
  return backend;
}

std::string fallback_line(const soma::Backend& backend) {
  const soma::FallbackReport report = backend.fallback();
  if (report.ops.empty()) return "";
  std::string list;
  for (const std::string& op : report.ops) list += (list.empty() ? "" : ", ") + op;
  return "fallback " + report.backend + ": " + std::to_string(report.ops.size()) +
         (report.ops.size() == 1 ? " op (" : " ops (") + list + "), " + percent(report.share) +
         " of the time in kernels";
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
