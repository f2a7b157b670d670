#pragma once

#include <optional>
#include <string>

#include "command_line.hpp"
#include "neuron_study.hpp"

/// The options of soma inspect that look at single neurons, samples and layers.
struct LookOptions {
  std::string neuron;
  std::optional<std::int64_t> sample, steps, examples;
  bool gallery = false;

  void declare(CommandLine& line);
  /// Whether one of them was given. Throws UsageError for two, and for further options without one.
  bool given(const CommandLine& line) const;
  /// Carries it out; `request` has the options that all ways of inspecting share.
  int run(LookRequest request) const;
};
