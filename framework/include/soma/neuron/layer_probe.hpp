#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "soma/backend.hpp"
#include "soma/model.hpp"
#include "soma/observer.hpp"
#include "soma/tensor.hpp"

namespace soma {

struct LayerProbeOptions {
  std::int64_t batch = 1;  ///< samples at most in one call
  int threads = 1;         ///< 0: all the CPUs this process may use
  /// Takes log(softmax) of the layer's sums over its last axis as its sums: what a classifier's
  /// last layer says of each class.
  bool log_probabilities = false;
  /// Earlier layers, by name, whose outputs gradient() tells too, and their gradients.
  std::vector<std::string> layers = {};
};

/// Runs a model as in prediction up to one of its layers, and back: the gradient of a weighted sum
/// of what the layer computes with respect to the model's inputs and to earlier layers. On any
/// backend that trains. Takes its own copy of the weights. Not for several threads at once.
///
/// "Sums" are what the layer's last activation is applied to: weighted sums plus bias for Dense and
/// Conv2d. For a layer that does not end in an activation they are what it gives.
class SOMA_API LayerProbe {
 public:
  /// Throws StateError while the model has no parameters and ShapeError for a name that is no
  /// layer's.
  LayerProbe(const Model& model, const std::string& layer, const Backend& backend,
             LayerProbeOptions options = {});
  ~LayerProbe();
  LayerProbe(LayerProbe&&) noexcept;
  LayerProbe& operator=(LayerProbe&&) noexcept;

  const Shape& shape() const noexcept;  ///< of what the layer gives for one sample
  std::int64_t batch() const noexcept;

  /// [n, shape()...]; both stay valid until the next call.
  struct Values {
    std::span<const float> sums, outputs;
  };
  /// One view for each input of the model, [n, sample...], 1 <= n <= batch. Throws ShapeError if
  /// the sizes do not fit.
  Values run(std::span<const TensorView> inputs);
  /// Calls `hook` whenever run() has computed the output of that earlier layer; what it writes
  /// takes the place of what was computed. See Hook. The batch is the probe's: rows beyond those
  /// given are those of samples of zeros. Throws StateError that lists the layers.
  void on_forward(const std::string& layer, Hook hook);

  struct Gradient {
    Values values;
    std::vector<std::span<const float>> inputs;  ///< [n, sample...]; empty for an int32 input
    /// Of each of LayerProbeOptions::layers, for one sample as long as the layer's output.
    struct Layer {
      std::span<const float> outputs, gradient;
    };
    std::vector<Layer> layers;
  };
  /// The gradient of sum(direction * sums) over the batch; direction [n, shape()...]. Rows do not
  /// see each other, so row i has that of its own sum. Where nothing arrives it is 0.
  Gradient gradient(std::span<const TensorView> inputs, std::span<const float> direction);

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace soma
