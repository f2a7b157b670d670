#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/api.hpp"
#include "soma/layer.hpp"

namespace soma {

/// A network as data: values, the nodes that compute them in order, and the parameters they need.
/// Shapes are static, batch included.
struct SOMA_API Graph {
  /// input, targets, scalars and random are filled in by the caller of each run; a constant by the
  /// program, once.
  enum class Source { input, targets, parameter, state, scalars, random, constant, node };

  struct ValueInfo {
    TensorInfo info;
    Source source = Source::node;
    int index = -1;  ///< parameter: its number; state: number of the parameter it belongs to; node:
                     ///< its number
    int slot = 0;    ///< state: which of the optimizer's tensors
    float fill = 0;  ///< constant: the value of every element
    std::vector<float> data = {};  ///< constant: its elements, if they differ
    bool needs_gradient = false;
    int view_of = -1;  ///< another value with the same elements (reshape)
  };
  enum class Phase { forward, backward, update };
  struct Node {
    Op op;                             ///< id "view" for a reshape: nothing is computed
    std::vector<int> inputs, outputs;  ///< values
    int layer = -1;
    Phase phase = Phase::forward;
    /// name of the activation, layer, loss or optimizer that a plugin brings; the op is then of the
    /// family activation/1, layer/1, loss/1 or optimizer/1
    std::string plugin;
  };
  /// Elements [begin, end) of a parameter, which start at `value` whatever its Init.
  struct Preset {
    std::int64_t begin = 0, end = 0;
    float value = 0;
  };
  struct ParameterInfo {
    std::string name;  ///< "conv1.weight"
    Shape shape;
    Init init = Init::zeros;
    std::int64_t fan_in = 0, fan_out = 0;
    int value = -1;
    bool trainable = true;  ///< false: a running statistic, written by an op in training
    std::vector<Preset> presets = {};
  };

  /// A loss on one of the outputs; what is minimised is the sum of weight * value, in order.
  struct LossInfo {
    int output = 0;          ///< index into `outputs`
    double weight = 1;       ///< what its gradient starts from, rounded to float32
    int targets = -1;        ///< value that the caller fills in
    int value = -1;          ///< [1]
    int probabilities = -1;  ///< of a loss on classes, [items, classes]; else -1
  };

  /// What a layer adds to what is minimised, whatever the targets: weight * value, behind the
  /// losses. It is computed from `of` only where losses are (append_losses); `value` is -1 before.
  struct PenaltyInfo {
    /// Of one sample: the sum of |x|, of x^2 / 2, or the Kullback-Leibler divergence of normal
    /// distributions (mean, log of the variance) from the standard normal one,
    /// sum (mean^2 + exp(log_variance) - log_variance - 1) / 2. The value is the mean over samples.
    enum class Kind { absolute, square, gaussian_kl };
    Kind kind = Kind::absolute;
    std::vector<int> of;  ///< values: x, or mean and log_variance
    double weight = 1;    ///< what its gradient starts from, rounded to float32
    int layer = -1;
    int value = -1;  ///< [1]
  };

  std::vector<ValueInfo> values;
  std::vector<Node> nodes;
  std::vector<ParameterInfo> parameters;
  std::vector<std::string> layers;
  /// Of each of the model's layers, which are the first of `layers`: the value it gives, and that
  /// value's gradient or -1. The gradients are set by append_backward.
  std::vector<int> layer_outputs, output_gradients;
  std::vector<int> gradients;        ///< per parameter, of the loss alone; -1 where it has none
  std::vector<int> input_gradients;  ///< per input; -1 where it has none

  std::vector<int> inputs, outputs;  ///< values, in the model's order
  std::vector<LossInfo> losses;      ///< set by append_loss
  std::vector<PenaltyInfo> penalties;
  int random = -1;  ///< int32 [4]: low and high half of the seed, update number, 0; for dropout

  const Shape& shape(int value) const { return values[static_cast<std::size_t>(value)].info.shape; }
  /// The value whose storage `value` shares.
  int root(int value) const;
};

/// How layers act, apart from what their ops keep for a backward: in training dropout and noise are
/// drawn and batch norms take the statistics of the batch; in prediction nothing is drawn and they
/// take the running ones.
enum class Behaviour { training, prediction };

/// What layers build with: appends nodes to a graph, with shapes checked by the op families.
class SOMA_API GraphBuilder {
 public:
  GraphBuilder(Graph& graph, Purpose purpose)
      : GraphBuilder(graph, purpose,
                     purpose == Purpose::train ? Behaviour::training : Behaviour::prediction) {}
  GraphBuilder(Graph& graph, Purpose purpose, Behaviour behaviour)
      : graph_(graph), purpose_(purpose), behaviour_(behaviour) {}

  /// For ops: whether they keep what a backward needs.
  Purpose purpose() const noexcept { return purpose_; }
  /// For layers that act otherwise in training than in prediction.
  bool predicts() const noexcept { return behaviour_ == Behaviour::prediction; }
  Graph& graph() noexcept { return graph_; }

  /// Nodes and parameters from here on belong to the layer of that name.
  void enter_layer(std::string name);
  void set_phase(Graph::Phase phase) noexcept { phase_ = phase; }
  /// Parameters from here on are named "<layer>.<scope>.<name>", until leave_scope() gets what
  /// this returns; scopes nest, and "" adds nothing.
  std::string enter_scope(std::string_view name);
  void leave_scope(std::string before) { scope_ = std::move(before); }

  /// The model's next input, batch first.
  Value input(const Shape& shape, DType type = DType::f32);
  /// A tensor that training changes, named "<layer>.<name>". fan_in and fan_out: see Init. If the
  /// layer's parameter of that name is tied, it is the tensor it was tied to.
  Value parameter(std::string_view name, const Shape& shape, Init init, std::int64_t fan_in,
                  std::int64_t fan_out);
  /// Ties parameter `name` of the current layer to the tensor `target`, "embed.table", which an
  /// earlier layer made: both are one, and their gradients add up. Throws ShapeError if there is no
  /// such tensor or training does not change it; parameter() does if the shapes differ.
  void tie(std::string_view name, std::string_view target);
  /// The ties of the current layer that parameter() has not met.
  std::vector<std::string> unmet_ties() const;
  /// Makes some elements of a parameter start at a value of their own.
  void preset(const Value& parameter, const Graph::Preset& preset);
  /// A tensor named "<layer>.<name>" that is saved with the model, but not changed by the
  /// optimizer: a running statistic.
  Value buffer(std::string_view name, const Shape& shape, Init init);
  /// Makes an op's output overwrite a buffer that is one of its inputs.
  void write_back(const Value& output, const Value& buffer);
  /// The value that random ops take: int32 [4] = low and high half of the seed, update number, 0.
  /// The same one at each call.
  Value random();
  /// Adds weight times this to what is minimised; see Graph::PenaltyInfo. Nothing if weight is 0.
  void penalty(Graph::PenaltyInfo::Kind kind, std::span<const Value> of, double weight);
  /// The path "<layer>.<name>" of the layer being built, for streams of random numbers.
  std::string path(std::string_view name) const;
  /// A value that is neither computed nor a parameter.
  Value leaf(Graph::Source source, TensorInfo info, int index = -1, int slot = 0, float fill = 0);
  /// Appends `op` on `inputs` and returns its outputs; their number is that of the op.
  std::vector<Value> emit(Op op, std::span<const Value> inputs);
  /// The same for callers who want the first output.
  Value emit_one(Op op, std::initializer_list<Value> inputs);
  /// The same elements in another shape; nothing is computed. Throws ShapeError if the counts
  /// differ.
  Value reshape(const Value& value, const Shape& shape);
  /// f(x) for a name of ops::kNamedActivations or an activation that a plugin brings; "" and
  /// "identity" give x back, "swish" is "silu".
  /// Throws ShapeError that lists the known names.
  Value activation(const Value& x, const std::string& name);
  /// True for a name that activation() takes.
  static bool knows_activation(const std::string& name);

 private:
  struct Tie {
    std::string name;
    int parameter;
    bool met = false;
  };
  Value add(Graph::ValueInfo info);
  Value add_parameter(std::string_view name, const Shape& shape, Init init, std::int64_t fan_in,
                      std::int64_t fan_out);
  Graph& graph_;
  Purpose purpose_;
  Behaviour behaviour_;
  int layer_ = -1;
  std::string scope_;  // "squeeze." or ""
  Graph::Phase phase_ = Graph::Phase::forward;
  std::vector<Tie> ties_;  // of the current layer
};

}  // namespace soma
