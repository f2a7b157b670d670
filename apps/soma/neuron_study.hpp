#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "session.hpp"
#include "soma/dataset.hpp"
#include "soma/neuron.hpp"

/// What is looked at, and how: one neuron ("layer:index"), the feature maps of one sample, or a
/// gallery of all layers.
struct LookRequest {
  std::string source;  ///< run folder or model file
  std::string data;    ///< SPEC; "" for the run's own
  std::string backend = "auto", fallback;
  soma::Numerics numerics = soma::Numerics::fast;
  int threads = 0;
  std::int64_t batch = 256;
  std::string neuron;
  std::optional<std::int64_t> sample;
  bool gallery = false;
  std::int64_t steps = 300;  ///< of activation maximisation; 0: none
  std::int64_t examples = 12;
  std::string html;  ///< page to write; "" for none
  bool json = false;
};

/// Carries it out and prints what was found; the exit code. Throws UsageError for a neuron that is
/// not "layer:index" and soma::ShapeError for one that is not there.
int look_at_neuron(const LookRequest& request);
int look_at_sample(const LookRequest& request);
int look_at_layers(const LookRequest& request);

/// A trained model, the test part of a data set and a backend for both.
struct Subject {
  TrainedModel trained;
  soma::Dataset data;
  soma::Backend backend;
  std::string spec;
  std::vector<std::string> classes;  ///< empty if the data have no classes
  std::vector<std::int32_t> labels;  ///< of each sample, where each has one class; else empty
  float low = 0, high = 1;           ///< of the first input's numbers, over some samples
  float middle = 0;                  ///< the most common of them, in the sense of the median

  explicit Subject(const LookRequest& request);
  const soma::Model& model() const { return trained.model; }

  /// What the first input shows.
  enum class Kind { image, series, text, record };
  Kind kind = Kind::record;
  /// Of one sample, as floats.
  std::vector<float> sample(std::int64_t index) const;
  /// "7 (frog)", or "" without classes.
  std::string class_of(std::int64_t sample) const;
  std::string class_name(std::int64_t index) const;
  /// What element `e` of a record is called: "age", "colour=red"; else "x3".
  std::string element_name(std::size_t e) const;
};

/// One of the samples that the neuron answers to most.
struct Example {
  std::int64_t sample = 0, position = 0;
  float activation = 0;
  soma::ReceptiveField field;
};

/// Everything that is known about one neuron.
struct NeuronStudy {
  soma::NeuronView neuron;
  std::vector<soma::NeuronWeights> incoming = {}, outgoing = {};
  float bias = 0;
  soma::ReceptiveField field = {};       ///< at the middle position
  soma::MeasuredField measured = {};     ///< alike
  soma::NeuronResponses responses = {};  ///< over all samples
  std::vector<Example> top = {};
  std::optional<soma::ClassSelectivity> selectivity = {};
  std::optional<soma::Polysemanticity> polysemanticity = {};
  std::optional<soma::Maximised> maximised = {};
  std::optional<double> probability = {};  ///< of its class, for a unit of the output
  std::optional<soma::WeightAttribution> attribution = {};
  soma::IncomingInfluence from = {};  ///< without channels where the neuron sees whole numbers
  std::vector<soma::OutgoingInfluence> onto = {};
  std::int64_t influence_samples = 0;
  double seconds = 0;
};

NeuronStudy study_neuron(const Subject& subject, const LookRequest& request);
void print_study(const Subject& subject, const NeuronStudy& study);
nlohmann::ordered_json study_json(const Subject& subject, const NeuronStudy& study);
/// A page that needs nothing else.
std::string study_html(const Subject& subject, const NeuronStudy& study);

/// Options for maximise() that fit the data.
soma::MaximiseOptions maximise_options(const Subject& subject, const std::string& layer,
                                       const LookRequest& request);
/// "(4,9)"; "" for a unit that has no positions.
std::string position_text(const soma::NeuronView& neuron, std::int64_t position);
/// "14 x 14": the extents of a field's box along the axes that are no channels.
std::string box_text(const soma::ReceptiveField& field, Subject::Kind kind);
