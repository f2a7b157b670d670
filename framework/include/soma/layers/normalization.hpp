#pragma once

#include "soma/layer.hpp"

namespace soma {

// Letters: N batch, C channels (the last axis), [..] the axes between. Each keeps the shape of its
// input. Formulas: soma/sdk/ops/batch_norm.hpp, layer_norm.hpp and group_norm.hpp. `epsilon` (0 or
// more) is added to the variance. gamma starts at one, beta at zero. As in layers/core.hpp, each
// has kType, build, attributes and from(Attributes).

/// input [N,..,C]: each channel over the batch and [..]. Training uses the statistics of the batch
/// and updates the running ones; inference uses the running ones. `momentum`, 0 to 1, is the share
/// of the new batch in them. Parameters gamma [C], beta [C]; buffers running_mean [C], from zero,
/// and running_var [C], from one, which the optimizer leaves alone.
struct SOMA_API BatchNorm {
  static constexpr std::string_view kType = "batch_norm";
  double momentum = 0.1;
  double epsilon = 1e-5;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static BatchNorm from(const Attributes& a);
};

/// input [N,..,C]: each row of C. Parameters gamma [C] if `affine`, beta [C] if `affine` and
/// `bias`.
struct SOMA_API LayerNorm {
  static constexpr std::string_view kType = "layer_norm";
  bool affine = true;
  bool bias = true;
  double epsilon = 1e-5;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static LayerNorm from(const Attributes& a);
};

/// input [N,..,C]: each row of C divided by its root mean square. Parameter gamma [C] if `affine`.
struct SOMA_API RmsNorm {
  static constexpr std::string_view kType = "rms_norm";
  bool affine = true;
  double epsilon = 1e-5;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static RmsNorm from(const Attributes& a);
};

/// input [N,..,C]: in each sample, each of `groups` runs of C / groups channels over [..].
/// Parameters gamma [C], beta [C].
struct SOMA_API GroupNorm {
  static constexpr std::string_view kType = "group_norm";
  std::int64_t groups = 0;
  double epsilon = 1e-5;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static GroupNorm from(const Attributes& a);
};

/// input [N,..,C]: in each sample, each channel over [..]. Parameters gamma [C], beta [C].
struct SOMA_API InstanceNorm {
  static constexpr std::string_view kType = "instance_norm";
  double epsilon = 1e-5;

  Value build(GraphBuilder& graph, std::span<const Value> inputs) const;
  Attributes attributes() const;
  static InstanceNorm from(const Attributes& a);
};

}  // namespace soma
