#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "soma/api.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

class GraphBuilder;

/// A tensor in a graph under construction: its number and its shape, batch first.
struct Value {
  int id = -1;
  Shape shape;
};

/// How a parameter gets its first values. fan_in and fan_out: inputs to and outputs of one unit,
/// times the kernel's taps.
///   zeros, ones
///   he_normal      N(0, 2 / fan_in)                   He et al., arXiv:1502.01852
///   xavier_uniform U(-a, a), a = sqrt(6 / (fan_in + fan_out))   Glorot & Bengio, AISTATS 2010
///   sinusoid       rows t of D = fan_out numbers, nothing random: sin(t / 10000^(k / D)) at even
///   k,
///                  the cosine of the same angle at k + 1   Vaswani et al., arXiv:1706.03762
enum class Init {
  automatic,
  zeros,
  ones,
  he_normal,
  he_uniform,
  xavier_normal,
  xavier_uniform,
  sinusoid
};

/// Names as in model files: "auto", "zeros", "he_normal", ...; from_name throws ShapeError listing
/// them.
SOMA_API const char* name_of(Init init) noexcept;
SOMA_API Init init_from_name(std::string_view name);

/// One step of a network: names its parameters and says which ops compute it. Gradients follow from
/// the ops.
class SOMA_API Layer {
 public:
  virtual ~Layer();
  /// Key of this layer type in model files, e.g. "conv2d". Fixed once released.
  virtual std::string_view type() const noexcept = 0;
  /// Adds this layer's ops and parameters to `graph` and returns its output. Throws ShapeError if
  /// it cannot take `inputs`.
  virtual Value build(GraphBuilder& graph, std::span<const Value> inputs) const = 0;
  /// What a model file says about it, defaults left out.
  virtual Attributes attributes() const = 0;
};

}  // namespace soma
