#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "run_config.hpp"
#include "soma/trainer.hpp"

/// What a training run may be held to: certificate.json of a run folder. It holds all that decides
/// the bits of the run, so that `soma verify` needs nothing else but the data and the plugins, and
/// what the weights were after each epoch.
struct TrainingCertificate {
  /// A plugin file that took part.
  struct PluginFile {
    std::string name, kind, version;
    std::filesystem::path path;
    std::string sha256;
  };
  /// One process of training, from a step on: a run that was resumed has several.
  struct Session {
    std::int64_t from_step = 0;
    std::int64_t epochs = 0, steps = 0;  ///< what it was to reach, as in RunConfig
    std::string backend, fallback;       ///< the one that computed
    soma::Numerics numerics = soma::Numerics::fast;
    int threads = 1;
    bool exact = false;  ///< all its kernels were of the class exact
    std::string cpu, host_build;
    std::vector<PluginFile> plugins;
  };
  /// The end of an epoch, or of training within one (--steps).
  struct Epoch {
    std::int64_t epoch = 0;  ///< from 1
    std::int64_t step = 0;   ///< updates since the start
    double loss = 0;         ///< mean over the epoch
    std::string weights_sha256;
  };

  RunConfig config;
  std::string start_sha256;  ///< of the weights before the first step
  std::vector<Session> sessions;
  std::vector<Epoch> epochs;

  /// Training goes on at session.from_step: what was after it is gone, and so is an epoch cut short
  /// before it.
  void begin(Session session, std::int64_t steps_per_epoch);
  void add(Epoch epoch);

  /// The text of certificate.json. The architecture, the configuration without what a session may
  /// change, and all the text before the last field have SHA-256s of their own in it.
  std::string to_json() const;
  /// Throws soma::FormatError naming `origin` and what is wrong.
  static TrainingCertificate from_json(const std::string& text, const std::string& origin);
};

/// The JSON of what decides the bits of a run: its configuration without what may differ between
/// its sessions (backend, fallback, numerics, threads, epochs, steps, checkpoint_every).
std::string deciding_json(const RunConfig& config);

/// The session that `trainer` is about to start with that backend; config.batch and `samples` tell
/// which kernels.
TrainingCertificate::Session session_of(const RunConfig& config, const soma::Backend& backend,
                                        soma::Trainer& trainer, std::int64_t samples);
