#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <ostream>
#include <string>
#include <vector>

#include "health_log.hpp"
#include "session.hpp"
#include "soma/examination.hpp"

/// The weights of a run at one time.
struct WeightMoment {
  std::string name;  ///< "start", "checkpoint", "best", ...
  std::int64_t step = 0;
  struct Layer {
    soma::NamedWeights weights;
    double moved = 0;  ///< norm of the difference to the start, by the norm of the start
  };
  std::vector<Layer> layers;
};

/// What `soma inspect` has found out: of a run or a file, on one data set.
struct Inspection {
  std::string source, model, data, backend, optimizer;
  std::string part = "test";
  soma::Numerics numerics = soma::Numerics::fast;
  int threads = 1;
  double learning_rate = 0;
  bool has_run = false;        ///< then it can be trained anew
  bool has_optimizer = false;  ///< its state was found in a checkpoint
  std::vector<std::string> class_names;
  soma::Evaluation evaluation;
  soma::Examination examination;
  std::vector<WeightMoment> moments;     ///< of a run, in time
  std::vector<HealthLog::Epoch> epochs;  ///< alike: its health.csv
  double seconds = 0;
};

/// How it is to be done.
struct InspectionPlan {
  std::string data;  ///< SPEC; "" for the run's own
  std::string backend = "auto", fallback;
  soma::Numerics numerics = soma::Numerics::fast;
  int threads = 0;
  std::int64_t batch = 256;
};

/// Examines a run or a model file. Throws UsageError if a file comes without data.
Inspection inspect_model(const std::string& run_or_file, const InspectionPlan& plan);

nlohmann::ordered_json inspection_json(const Inspection& inspection);
void print_inspection(std::ostream& out, const Inspection& inspection);
/// The page as one HTML file that needs nothing else.
std::string inspection_html(const Inspection& inspection);

/// Carries a cure ("first": the first of the first alarm) out as a new run in `out`, by default the
/// run's name with the cure's behind it, examines that alike and prints both. Returns the exit
/// code. Throws UsageError for a cure that there is none of and for a file.
int apply_and_compare(const std::string& cure, const std::string& out, const Inspection& before,
                      const InspectionPlan& plan, bool json);

/// The weights of a run when it began, in its checkpoints and now, as far as they are there.
std::vector<WeightMoment> weight_moments(const TrainedModel& trained, const RunFolder& run,
                                         const soma::Backend& backend);
