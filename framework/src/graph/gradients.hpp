#pragma once

#include "soma/graph.hpp"
#include "soma/model.hpp"
#include "soma/optimizer.hpp"

namespace soma {

/// Appends a loss on output number `output` and new targets, and says so in graph.losses. A loss on
/// classes takes every position of an output [N,...,C] as an item, with targets [N,...].
void append_loss(Graph& graph, const Loss& loss, Purpose purpose, int output = 0,
                 double weight = 1);

/// Appends the backward of everything that graph.losses depend on. Returns, per parameter, the
/// value of its gradient; -1 where no loss depends on it.
std::vector<int> append_backward(Graph& graph);

/// How many tensors of state the optimizer keeps per parameter, and what they are called in
/// checkpoints.
std::vector<std::string> optimizer_slots(const Optimizer& optimizer);

/// Appends one update op per parameter that has a gradient. All share one value of source
/// `scalars`.
void append_update(Graph& graph, const Optimizer& optimizer, const std::vector<int>& gradients);

/// Computes the scalars that the optimizer's op takes at each step. Its options are looked up once,
/// here.
class UpdateScalars {
 public:
  explicit UpdateScalars(const Optimizer& optimizer);
  /// Writes them for update number `step` (from 1), in the order of the op.
  void write(std::int64_t step, float* to) const;

 private:
  double learning_rate_;
  bool bias_corrected_;  // Adam's: {lr / (1 - beta1^t), 1 / (1 - beta2^t)}
  double beta1_ = 0, beta2_ = 0;
};

}  // namespace soma
