#pragma once

#include <optional>
#include <string>
#include <vector>

#include "health_log.hpp"
#include "metrics.hpp"
#include "run_config.hpp"
#include "soma/trainer.hpp"

/// What report.html shows of a run.
struct Report {
  const RunConfig& config;
  std::string backend;  ///< the one that computed
  std::string status;   ///< "finished", "stopped at step 120 of 938", ...
  int threads = 1;
  std::int64_t parameters = 0, steps_per_epoch = 1;
  std::string weights_sha256;
  const std::vector<EpochMetrics>& epochs;
  const std::vector<StepLosses::Row>& losses;
  const soma::Evaluation* evaluation = nullptr;  ///< the last one, may be null
  const std::vector<soma::Trainer::KernelReport>& kernels;
  std::string watched = "test";  ///< or "validation": the part of test_loss
  const std::vector<HealthLog::Epoch>& health;
  const std::vector<StepProbe::KernelTime>& profile;  ///< as the kernels, or empty
};

/// The report as one HTML file that needs nothing else: no script, no font, no picture from
/// outside.
std::string report_html(const Report& report);

// Its sections; empty text where there is nothing to show.
std::string confusion_section(const Report& report);
std::string classes_section(const Report& report);
std::string health_section(const Report& report);
std::string profile_section(const Report& report);

/// "%.*f" and "%.3g".
std::string fixed_number(double value, int digits);
std::string brief_number(double value);

/// `text` with the five characters escaped that HTML reserves.
std::string escape_html(const std::string& text);
