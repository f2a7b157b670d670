#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "soma/dataset.hpp"
#include "soma/model.hpp"

/// Something that will go wrong in training, or may.
struct Finding {
  enum class Severity { info, warning, error };
  Severity severity = Severity::warning;
  std::string code;   ///< stable, see framework/docs/lint.md
  std::string layer;  ///< where, if it is of a layer
  std::string why;    ///< one sentence
  std::string cure;   ///< what to do about it
};
const char* name_of(Finding::Severity severity);

/// How a model is to be trained, as `soma train` would.
struct TrainingPlan {
  std::string optimizer;  ///< "momentum" for sgd with it
  double learning_rate = 0;
  double momentum = 0;
  std::int64_t batch = 32;
  bool clips = false;  ///< gradients are clipped
};

/// What the rules look at: a model as its layers and how they are joined, the plan, and the data
/// if there are any.
class LintSubject {
 public:
  using Layer = soma::Model::LayerView;

  LintSubject(const soma::Model& model, TrainingPlan plan, const soma::DataSplit* data);

  const soma::Model& model;
  const TrainingPlan plan;
  const soma::DataSplit* const data;  ///< may be null
  const std::vector<Layer> layers;

  /// The number of the layer of that name; nothing for an input of the model.
  std::optional<std::size_t> find(const std::string& name) const;
  const std::vector<std::size_t>& consumers(std::size_t layer) const { return consumers_[layer]; }
  std::string text(std::size_t layer, const char* attribute) const;
  double real(std::size_t layer, const char* attribute, double otherwise) const;
  bool is(std::size_t layer, std::string_view type) const {
    return layers[layer].layer->type() == type;
  }
  /// Multiplies by weights that one may initialise: dense layers, convolutions.
  bool is_linear(std::size_t layer) const;
  /// Has weights that learn from what comes in: linear layers, recurrent ones, attention, blocks.
  bool is_weighted(std::size_t layer) const;
  bool is_norm(std::size_t layer) const;
  /// The layers that a loss is on.
  bool is_output(std::size_t layer) const;

  /// The activation that a linear layer's numbers go through, its own or that of a layer behind it;
  /// "" if there is none. `normalised`: a normalisation stands in between.
  struct After {
    std::string activation;
    bool normalised = false;
  };
  After after(std::size_t layer) const;

 private:
  std::map<std::string, std::size_t> index_;
  std::vector<std::vector<std::size_t>> consumers_;
};

// The rules, by what they need to know.
void lint_structure(const LintSubject& subject, std::vector<Finding>& findings);
void lint_initialisation(const LintSubject& subject, std::vector<Finding>& findings);
void lint_losses(const LintSubject& subject, std::vector<Finding>& findings);
void lint_training(const LintSubject& subject, std::vector<Finding>& findings);
/// Data that fit the model.
void lint_data(const LintSubject& subject, std::vector<Finding>& findings);

/// "sigmoid" and others that are flat on both sides; "relu" and others that are zero on one.
bool saturates(const std::string& activation);
bool rectifies(const std::string& activation);
/// "%.3g"
std::string short_number(double value);
