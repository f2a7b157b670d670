#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "soma/diagnosis.hpp"
#include "soma/model.hpp"
#include "soma/observer.hpp"

/// What the numbers of one layer were like in one step of training. Nothing where a layer has no
/// such numbers.
struct LayerHealth {
  struct Spread {
    double mean = 0, deviation = 0;
  };
  std::string layer;
  std::optional<Spread> weights;      ///< of its parameters with two axes or more, else of all
  std::optional<Spread> gradients;    ///< of these
  std::optional<Spread> activations;  ///< of its output
  std::optional<double> zeros;        ///< share of zeros in the output
  std::optional<double> dead;         ///< share of units that gave 0 for the whole batch
  std::optional<double> update;  ///< norm of what the step added to the weights over their norm
  std::optional<double>
      output_gradient;              ///< norm of the loss's gradient with respect to its output
  std::optional<double> saturated;  ///< share of units at the ends of their activation
  std::string alarms;               ///< codes of what soma::diagnose() says of it, between spaces
};

/// Looks at some steps of training, as they are trained: what the layers' numbers were like in the
/// last one, and how long each kernel took.
class StepProbe final : public soma::StepObserver {
 public:
  explicit StepProbe(const soma::Model& model);

  bool needs_every_tensor() const noexcept override { return false; }
  void before(const soma::StepKernel& kernel) override;
  void after(const soma::StepKernel& kernel) override;

  /// The layers of the step that was looked at last, in the model's order; empty if there was none
  /// since the last call.
  std::vector<LayerHealth> take();
  /// What they mean, of the step that was looked at last. A unit counts as dead once it has not
  /// fired in the last kSilentSamples samples that were looked at.
  const std::vector<soma::Alarm>& alarms() const { return alarms_; }
  static constexpr std::int64_t kSilentSamples = 512;
  /// Time spent looking so far, and the part of it that take() spent between the steps.
  double seconds() const { return seconds_; }
  double taken_seconds() const { return taken_seconds_; }

  struct KernelTime {
    std::string layer, op;  ///< id of the op
    soma::KernelTime::Phase phase;
    double us;  ///< median over the steps that were looked at
  };
  /// In the order they run.
  std::vector<KernelTime> profile() const;

 private:
  struct Sums {
    double count = 0, sum = 0, squares = 0, zeros = 0;
    void add(std::span<const float> numbers);
    std::optional<LayerHealth::Spread> spread() const;
  };
  /// Of the units of one layer; sums are of the step at hand.
  struct Units {
    std::vector<float> sum, squares, fired, flat;
    std::vector<std::int64_t> silent;  ///< samples looked at since it fired last
  };
  struct Layer {
    soma::LayerSigns signs;
    Sums weights, gradients, activations;
    Units units;
    double dead = 0, changed = 0;
    void start();
  };
  struct Kernel {
    std::string layer, op;
    soma::KernelTime::Phase phase;
    std::vector<double> us;
  };
  /// The layer of "conv1.weight" if it is one of the tensors that the layer is judged by.
  Layer* owner(std::string_view tensor);
  Layer* layer(std::string_view name);
  void start();
  void look(const soma::StepKernel& kernel);
  void see_output(Layer& layer, const soma::StepTensor& tensor);
  void diagnose();

  std::vector<Layer> layers_;
  std::vector<std::string> judged_;  // names of parameters
  std::vector<Kernel> kernels_;
  std::vector<float> weights_;  // of the parameter under change, as they were
  std::vector<soma::Alarm> alarms_;
  double seconds_ = 0, taken_seconds_ = 0;
  bool fresh_ = false;
  std::chrono::steady_clock::time_point begin_;
};
