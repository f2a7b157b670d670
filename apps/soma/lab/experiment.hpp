#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/backend.hpp"

namespace lab {

/// How an experiment is run.
struct Setting {
  soma::Backend backend;  ///< what networks are trained and run with
  int threads = 0;        ///< 0: all the CPUs this process may use
  bool quick = false;     ///< fewer seeds and smaller sizes, seconds instead of minutes
  /// Breaks the one thing that Experiment::sabotage names. A verdict that this does not turn round
  /// proves nothing: the tests run every experiment both ways.
  bool sabotage = false;
  std::uint64_t seed = 1;  ///< the first; further ones follow it
};

/// A number that was measured.
struct Figure {
  std::string name;
  double value = 0;
};

/// What came out.
struct Finding {
  bool holds = false;
  std::string measured;         ///< one to three sentences with the figures that decide
  std::vector<Figure> figures;  ///< the same and more, for programs
  std::vector<std::uint64_t> seeds;
  std::string picture;  ///< inline SVG and HTML, see plot.hpp; may be empty
};

/// A claim about neurons and the measurement that decides whether it holds. run() throws only if it
/// could not measure: a claim that turns out wrong is a finding.
struct Experiment {
  const char* id;        ///< "perceptron_bound"
  const char* concepts;  ///< "S7 S8"
  const char* title;
  const char* claim;     ///< one sentence, as a textbook has it
  const char* method;    ///< how it is decided, with the formula and its source
  const char* sabotage;  ///< what Setting::sabotage breaks
  Finding (*run)(const Setting&);
};

/// A chapter of the book: experiments that belong together.
struct Chapter {
  const char* title;
  const char* about;
  std::span<const Experiment> experiments;
};

/// All of them, in the order of the concepts.
std::span<const Chapter> chapters();

// One function for each file of experiments.
std::span<const Experiment> neuron_experiments();
std::span<const Experiment> logic_experiments();
std::span<const Experiment> perceptron_experiments();
std::span<const Experiment> smooth_experiments();
std::span<const Experiment> biology_experiments();
std::span<const Experiment> activation_experiments();
std::span<const Experiment> expression_experiments();
std::span<const Experiment> architecture_experiments();
std::span<const Experiment> sequence_experiments();
std::span<const Experiment> learning_experiments();
std::span<const Experiment> gradient_health_experiments();
std::span<const Experiment> generalisation_experiments();
std::span<const Experiment> selectivity_experiments();
std::span<const Experiment> interpretation_experiments();
std::span<const Experiment> system_experiments();

}  // namespace lab
