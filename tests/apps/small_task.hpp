#pragma once

#include <string>

#include "command.hpp"

/// A small model and a small data set in a folder, so that a run takes moments and the time of the
/// tests goes into what they are about.
class SmallTask {
 public:
  /// 320 training and 100 test images of two noisy classes of bars, batches of 16: 20 steps an
  /// epoch.
  SmallTask();

  const TemporaryFolder& folder() const { return folder_; }
  std::filesystem::path run_path(const std::string& name) const { return folder_.path() / name; }

  /// "train MODEL --data ... --out NAME --json" and `more`.
  Words train(const std::string& run, const Words& more) const;
  Words resume(const std::string& run, const Words& more) const;
  Outcome execute(const Words& arguments) const { return soma_command(arguments, folder_.path()); }

  static constexpr int kStepsPerEpoch = 20;

 private:
  TemporaryFolder folder_;
};
