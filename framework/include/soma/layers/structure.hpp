#pragma once

#include "soma/layer.hpp"

namespace soma {

// Arithmetic, arrangement, lookups and dropout. An `axis` counts the axes of the whole tensor: the
// batch is 0 and cannot be named, negative ones count from the end.

/// In training each element is zero with probability `rate`, the others are scaled by 1/(1-rate);
/// the mask follows from seed, update number and the layer's name. In inference nothing happens.
struct SOMA_API Dropout {
  static constexpr std::string_view kType = "dropout";
  double rate = 0.5;  // 0 to 1
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Dropout from(const Attributes& a);
};

/// ids [N,...] -> [N,...,units]: rows of the parameter weight [vocab,units]. ids are whole numbers
/// in [0, vocab), as int32 or as float32; anything else is an error of the step. padding_idx, if
/// not -1, gives zeros and no gradient. init `automatic` is normal with variance 1 / units.
struct SOMA_API Embedding {
  static constexpr std::string_view kType = "embedding";
  std::int64_t vocab = 0;
  std::int64_t units = 0;
  std::int64_t padding_idx = -1;
  Init init = Init::automatic;
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Embedding from(const Attributes& a);
};

/// input [N,T,D] plus a code of each position: with kind "learned" the parameter weight [T,D],
/// which starts normal with variance 1 / D, with "sinusoidal" the fixed buffer of that name and
/// shape (see Init::sinusoid).
struct SOMA_API PositionalEncoding {
  static constexpr std::string_view kType = "positional_encoding";
  std::string kind = "sinusoidal";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static PositionalEncoding from(const Attributes& a);
};

/// Two inputs or more, equal but for `axis`, one after the other along it.
struct SOMA_API Concat {
  static constexpr std::string_view kType = "concat";
  std::int64_t axis = -1;
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Concat from(const Attributes& a);
};

/// Product of two inputs or more. Each further one has the first one's shape, or repeats over
/// neighbouring axes of its samples: sample shapes are aligned at their last axes and have extent 1
/// or no axis where they repeat, so [N,1,1,C] and [N,C] scale the channels of [N,H,W,C].
struct SOMA_API Multiply {
  static constexpr std::string_view kType = "multiply";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static Multiply from(const Attributes& a);
};

/// First input minus second, of one shape.
struct SOMA_API Subtract {
  static constexpr std::string_view kType = "subtract";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const { return {}; }
  static Subtract from(const Attributes& a);
};

/// factor * input + offset.
struct SOMA_API Scale {
  static constexpr std::string_view kType = "scale";
  double factor = 1;
  double offset = 0;
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Scale from(const Attributes& a);
};

/// The same elements of each sample in another shape, "7,7,64"; one extent may be -1: what is left.
struct SOMA_API Reshape {
  static constexpr std::string_view kType = "reshape";
  std::string shape = "-1";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Reshape from(const Attributes& a);
};

/// Axes of the samples in another order: axis i of the result is axis order[i] of the input, "2,1"
/// exchanges the two of [N,T,C].
struct SOMA_API Permute {
  static constexpr std::string_view kType = "permute";
  std::string order = "2,1";
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Permute from(const Attributes& a);
};

/// Elements of `value` around each sample: "before:after" per axis, "1:1,2:2" for the rows and
/// columns of an image; axes that are not mentioned stay.
struct SOMA_API Pad {
  static constexpr std::string_view kType = "pad";
  std::string padding = "1:1,1:1";
  double value = 0;
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Pad from(const Attributes& a);
};

/// Sum, mean and largest element over `axis`, which goes away: [N,T,C] -> [N,C] by default.
struct SOMA_API Sum {
  static constexpr std::string_view kType = "sum";
  std::int64_t axis = 1;
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Sum from(const Attributes& a);
};

struct SOMA_API Mean {
  static constexpr std::string_view kType = "mean";
  std::int64_t axis = 1;
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Mean from(const Attributes& a);
};

struct SOMA_API Max {
  static constexpr std::string_view kType = "max";
  std::int64_t axis = 1;
  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static Max from(const Attributes& a);
};

}  // namespace soma
