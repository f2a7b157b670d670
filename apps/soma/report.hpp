#pragma once

#include <optional>
#include <string>
#include <vector>

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
};

/// The report as one HTML file that needs nothing else: no script, no font, no picture from
/// outside.
std::string report_html(const Report& report);

/// `text` with the five characters escaped that HTML reserves.
std::string escape_html(const std::string& text);
