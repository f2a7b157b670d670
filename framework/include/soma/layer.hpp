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

/// How a parameter gets its first values, as text "he_normal" or "normal(0.02)". fan_in and
/// fan_out: inputs to and outputs of one unit, times the kernel's taps; each layer states its own.
///
///   automatic        the layer's choice, "auto"
///   zeros, ones, constant(value)
///   normal(deviation), uniform(low, high)
///   he_normal        N(0, 2 / fan_in), he_uniform U(-a, a) with a = sqrt(6 / fan_in)
///                    He et al., arXiv:1502.01852
///   xavier_normal    N(0, 2 / (fan_in + fan_out)), xavier_uniform a = sqrt(6 / (fan_in + fan_out))
///                    Glorot & Bengio, AISTATS 2010
///   lecun_normal     N(0, 1 / fan_in), lecun_uniform a = sqrt(3 / fan_in); LeCun et al., 1998
///   orthogonal(gain) the weight as a matrix [first axis, all others]: its rows or, where these are
///                    fewer, its columns are orthonormal, times gain (1); Saxe et al.,
///                    arXiv:1312.6120
///   identity         1 where unit k takes input k at the middle tap (extent / 2) of each axis in
///                    between, else 0
///   sinusoid         rows t of D = fan_out numbers, nothing random: sin(t / 10000^(k / D)) at even
///                    k, the cosine of the same angle at k + 1; Vaswani et al., arXiv:1706.03762
struct Init {
  enum class Kind {
    automatic,
    zeros,
    ones,
    constant,
    normal,
    uniform,
    he_normal,
    he_uniform,
    xavier_normal,
    xavier_uniform,
    lecun_normal,
    lecun_uniform,
    orthogonal,
    identity,
    sinusoid
  };
  Kind kind = Kind::automatic;
  double a = 0, b = 0;  ///< the numbers in brackets, in their order

  friend constexpr bool operator==(const Init&, const Init&) = default;

  static const Init automatic, zeros, ones, he_normal, he_uniform, xavier_normal, xavier_uniform,
      lecun_normal, lecun_uniform, identity, sinusoid;
  static constexpr Init constant(double value) { return {Kind::constant, value}; }
  static constexpr Init normal(double deviation) { return {Kind::normal, deviation}; }
  static constexpr Init uniform(double low, double high) { return {Kind::uniform, low, high}; }
  static constexpr Init orthogonal(double gain = 1) { return {Kind::orthogonal, gain}; }
};

inline constexpr Init Init::automatic{Init::Kind::automatic};
inline constexpr Init Init::zeros{Init::Kind::zeros};
inline constexpr Init Init::ones{Init::Kind::ones};
inline constexpr Init Init::he_normal{Init::Kind::he_normal};
inline constexpr Init Init::he_uniform{Init::Kind::he_uniform};
inline constexpr Init Init::xavier_normal{Init::Kind::xavier_normal};
inline constexpr Init Init::xavier_uniform{Init::Kind::xavier_uniform};
inline constexpr Init Init::lecun_normal{Init::Kind::lecun_normal};
inline constexpr Init Init::lecun_uniform{Init::Kind::lecun_uniform};
inline constexpr Init Init::identity{Init::Kind::identity};
inline constexpr Init Init::sinusoid{Init::Kind::sinusoid};

/// The text of model files; from_name throws ShapeError listing the names.
SOMA_API std::string name_of(const Init& init);
SOMA_API Init init_from_name(std::string_view text);

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
