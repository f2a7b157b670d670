#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "run_config.hpp"
#include "side.hpp"
#include "training_certificate.hpp"
#include "worker_process.hpp"

/// A part of training between two resumptions: a schedule may depend on what a session was to
/// reach.
struct Leg {
  std::int64_t from_step = 0;
  std::int64_t epochs = 0, steps = 0;  ///< as in RunConfig
};

/// What is to be trained again, by which side.
struct ReplayJob {
  RunConfig config;  ///< its backend, threads, numerics and fallback do not matter
  Side side;
  std::vector<Leg> legs;                ///< the first from step 0
  std::int64_t until = 0;               ///< the last step
  std::vector<std::int64_t> report_at;  ///< steps after which the weights are hashed
  bool lockstep = false;                ///< stop after each kernel and be told to go on

  std::string to_json() const;
  static ReplayJob from_json(const std::string& text);
};

/// A job for all the sessions of a run.
ReplayJob replay_job(const TrainingCertificate& certificate, const Side& side);
/// A job for a run that was never interrupted.
ReplayJob replay_job(const RunConfig& config, const Side& side);

/// Throws soma::StateError unless the data of a run are those that it was trained on.
void require_data(const RunConfig& config);

/// The side on which the run of a certificate was trained when it came to the end of that epoch.
Side recorded_side(const TrainingCertificate& certificate, const TrainingCertificate::Epoch& epoch);

/// The child process that does a job: one hot threading runtime a process. It is sent the job, and
/// says, one line each
///   ready {json}    the backend's name and file, whether all of its kernels are exact
///   start HASH      of the weights before the first step
///   kernel HASH     in lock-step: a kernel ran, of its outputs; waits for
///                     go          to go on
///                     give FILE   to say "gave {json}" about the kernel, with its operands in FILE
///                     take FILE   to read its outputs from FILE and say "took"
///   step NUMBER     a step is done
///   at {json}       as asked for by report_at
///   end             all is done
///   error SENTENCE  nothing more will come
int run_replay_child();

/// The side of the parent.
class ReplayProcess {
 public:
  struct Message {
    std::string kind, text;  ///< kind "died": text is how
  };
  explicit ReplayProcess(const ReplayJob& job);
  /// The next thing that the child says; waits for it.
  Message next();
  void send(const std::string& line) { process_.send(line); }
  const Side& side() const { return side_; }

 private:
  Side side_;
  WorkerProcess process_;
};
