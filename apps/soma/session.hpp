#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "run_config.hpp"
#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/model.hpp"
#include "soma/random_step.hpp"

/// The files of a run folder.
struct RunFolder {
  std::filesystem::path path;

  std::filesystem::path config() const { return path / "config.json"; }
  std::filesystem::path model() const { return path / "model.safetensors"; }
  std::filesystem::path checkpoint() const { return path / "checkpoint.safetensors"; }
  std::filesystem::path best() const { return path / "best.safetensors"; }
  std::filesystem::path previous() const { return path / "checkpoint.safetensors.previous"; }
  std::filesystem::path metrics() const { return path / "metrics.csv"; }
  std::filesystem::path steps() const { return path / "steps.csv"; }
  std::filesystem::path health() const { return path / "health.csv"; }
  std::filesystem::path report() const { return path / "report.html"; }
  std::filesystem::path certificate() const { return path / "certificate.json"; }

  /// Throws soma::FormatError if the folder is not that of a run.
  RunConfig read_config() const;
};

/// A model with weights, from a run folder or a .safetensors file.
struct TrainedModel {
  soma::Model model;
  std::filesystem::path file;
  std::optional<RunConfig> config;  ///< of the run it came from
};

/// Throws soma::FormatError that says what was expected and found.
TrainedModel load_trained(const std::string& run_or_file);

/// A built-in name, a JSON file, a run folder (finished or not) or a .safetensors file; with
/// weights where there are any. Throws soma::FormatError.
soma::Model any_model(const std::string& what);

/// Whether one line on stderr tells what "auto" took and why, or only when it was measured.
enum class Tell { always, when_measured };

/// Opens the backend for about so many steps of the model; see auto_backend.hpp for "auto".
soma::Backend open_backend(const std::string& name, const soma::Model& model,
                           const soma::StepKind& step, std::int64_t steps, Tell tell);
/// The same for no model in particular: "auto" takes the first that is ready, and says so.
soma::Backend open_backend(const std::string& name, soma::Numerics numerics,
                           const std::string& fallback = "");
/// "fallback reference: 3 ops (...), 12.50 % of the time in kernels"; "" if nothing fell back.
std::string fallback_line(const soma::Backend& backend);

/// The CPUs this process may use: what 0 threads stands for.
int usable_cpus();

/// "1,663,370"
std::string grouped(std::int64_t number);
/// "98.31 %"
std::string percent(double share);
