#pragma once

#include "family.hpp"

namespace soma::conformance {

/// Every normalisation is that of groups of channels: N samples of S x C elements, G groups of D
/// channels, each with its own mean and deviation. Batch norm is one sample in groups of one
/// channel; layer and RMS norm are one group per row.
struct NormLayout {
  explicit NormLayout(const Op& op) : batch(op.family() == "batch_norm/1") {
    const Shape& x = op.in(0);
    C = static_cast<std::size_t>(x.back());
    std::size_t rows = 1;
    for (int axis = 0; axis < x.rank() - 1; ++axis) rows *= static_cast<std::size_t>(x[axis]);
    by_row = op.family() == "layer_norm/1" || op.family() == "rms_norm/1";
    centred = op.family() != "rms_norm/1";
    N = batch ? 1 : by_row ? rows : static_cast<std::size_t>(x[0]);
    S = N == 0 ? 0 : rows / N;
    G = batch ? C : static_cast<std::size_t>(op.attributes.integer("groups", 1));
    D = G == 0 ? 0 : C / G;
    scale = !by_row || op.attributes.flag("scale");
    shift = !by_row || op.attributes.flag("shift");
    count = static_cast<double>(S * D);
  }
  std::size_t elements() const { return N * S * C; }
  std::size_t channel(std::size_t e) const { return e % C; }
  std::size_t group(std::size_t e) const { return e / (S * C) * G + e % C / D; }

  /// The longest chain of additions in the sum over a group.
  double depth() const {
    if (by_row) return lanes(C);
    return blocks(S) + (D > 1 ? lanes(D) : 1);
  }
  /// The same for the sum over everything but the channels.
  double column_depth() const { return by_row ? blocks(N) : blocks(S) + blocks(N); }
  static double blocks(std::size_t rows) {
    return static_cast<double>(std::min<std::size_t>(rows, 512) + rows / 512 + 1);
  }
  static double lanes(std::size_t n) {
    return static_cast<double>(std::min<std::size_t>(n, 4096) / 16 + 6 + n / 4096);
  }

  bool batch, by_row, centred, scale, shift;
  std::size_t N, S, C, G, D;
  double count;
};

/// Limits and magnitudes of all normalisations, as numerics.md states them.
void bound_normalization(const Oracle&, const Op& op, const Operands& operands, Fill fill,
                         std::vector<Expected>& result);

}  // namespace soma::conformance
