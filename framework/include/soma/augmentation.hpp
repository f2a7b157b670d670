#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "soma/api.hpp"
#include "soma/shape.hpp"

namespace soma {

/// How training samples are changed, anew in every epoch, so that a network meets more than there
/// are. Samples are images [H,W,C] or sequences [T,C]; what is drawn for a sample follows from
/// (seed, epoch, its row) alone, so that neither threads nor a pause change a bit. In this order:
struct SOMA_API Augmentation {
  bool flip = false;        ///< left and right change places in every other image
  std::int64_t crop = 0;    ///< cut out anew of the sample with so many zeros added on each side
  std::int64_t shift = 0;   ///< moved by up to so many elements each way, its border repeated
  double noise = 0;         ///< normal numbers of this deviation are added; to any shape
  std::int64_t cutout = 0;  ///< a square of this side, around a drawn element, becomes zero

  /// From "flip,crop=4,noise=0.05". Throws ShapeError for anything else.
  static Augmentation from_text(std::string_view text);
  std::string str() const;
  bool any() const noexcept;
  /// Throws ShapeError unless samples of that shape can be changed so.
  void check(const Shape& sample) const;
  /// Changes samples [rows.size(), sample...] in place; `spare` holds one sample. Allocates
  /// nothing.
  void apply(std::span<float> samples, const Shape& sample, std::span<const std::int64_t> rows,
             std::uint64_t seed, std::int64_t epoch, std::span<float> spare) const noexcept;
  friend bool operator==(const Augmentation&, const Augmentation&) = default;
};

}  // namespace soma
