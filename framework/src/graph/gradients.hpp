#pragma once

#include <memory>
#include <span>

#include "soma/graph.hpp"
#include "soma/model.hpp"
#include "soma/optimizer.hpp"

namespace soma::plugins {
class OptionValues;
}

namespace soma {

/// Appends a loss on output number `output` and new targets, and says so in graph.losses. A loss on
/// classes takes every position of an output [N,...,C] as an item, with targets [N,...].
void append_loss(Graph& graph, const Loss& loss, Purpose purpose, int output = 0,
                 double weight = 1);

/// Values of source `scalars`, by their index: what the caller writes before each run.
enum class ScalarSet {
  optimizer,    ///< see UpdateScalars
  average,      ///< [1]: the share of the weight in its moving average
  batch_share,  ///< [1]: what the losses are multiplied by before their backward
};
constexpr std::size_t kScalarSets = 3;

/// The slot of a value of source `state` that is a sum of gradients (OptimizerState::sums).
constexpr int kGradientSum = -1;

/// How gradients are wanted.
struct BackwardOptions {
  /// An op that passes a gradient on as it is makes two values share one tensor; those that the
  /// layers of these numbers give get one of their own.
  std::vector<int> apart = {};
  bool share_of_batch = false;    ///< times ScalarSet::batch_share
  std::vector<bool> frozen = {};  ///< per parameter: needs no gradient
};

/// Marks the parameters of layers that are frozen as a whole, and what depends on them alone, as
/// needing no gradient. Between the layers and the losses.
void freeze_layers(Graph& graph, const std::vector<bool>& frozen);

/// Appends the values of graph.penalties.
void append_penalties(Graph& graph, Purpose purpose);

/// Appends the backward of everything that graph.losses and graph.penalties depend on, and fills in
/// graph.gradients, graph.input_gradients and graph.output_gradients. Batch norms that predict (see
/// Behaviour) pass the gradient on and give gamma and beta none.
void append_backward(Graph& graph, const BackwardOptions& options = {});

/// How many tensors of state the optimizer keeps per parameter, and what they are called in
/// checkpoints.
std::vector<std::string> optimizer_slots(const Optimizer& optimizer);

/// Appends what happens to each parameter that has one of graph.gradients: penalties, clipping by
/// value, by the norm of all, the optimizer's op, max_norm (see Regularization). The ops of the
/// optimizer share one value of source `scalars`.
/// With `average`, one more slot of state, the last, is the moving average of the weight.
void append_update(Graph& graph, const Optimizer& optimizer, const Regularization& regularization,
                   bool average = false);

/// Appends to a graph with gradients, as its update: each gradient is added to its sum.
void append_gradient_sums(Graph& graph);
/// The update that uses those sums as gradients: a graph of its own, with the parameters of `of`.
Graph summed_update(const Graph& of, const Optimizer& optimizer,
                    const Regularization& regularization, bool average);

/// Computes the scalars that the optimizer's op takes at each step.
class UpdateScalars {
 public:
  /// Throws StateError that lists the known optimizers.
  explicit UpdateScalars(const Optimizer& optimizer);
  ~UpdateScalars();
  /// Writes those of update number `step` (from 1) at that rate, in the order of the op.
  void write(std::int64_t step, double learning_rate, float* to);

 private:
  /// beta1 * (1 - 0.96^(t * momentum_decay) / 2) of Nadam.
  double nadam_momentum(double t) const;
  void advance_product(std::int64_t step);

  enum class Formula { rate, adam, adamw, nadam, lion };  // of the scalars
  Formula formula_ = Formula::rate;
  double beta1_ = 0, beta2_ = 0, weight_decay_ = 0, momentum_decay_ = 0;
  double product_ = 1;  // of Nadam's momenta up to product_step_
  std::int64_t product_step_ = 0;
  const soma_optimizer* plugin_ = nullptr;
  std::unique_ptr<plugins::OptionValues> plugin_options_;
};

}  // namespace soma
