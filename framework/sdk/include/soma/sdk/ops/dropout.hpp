#pragma once

#include <cmath>
#include <cstdint>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family dropout/1: sets each element to zero with probability `rate` and scales the others by
/// 1 / (1 - rate). Training only; in inference there is no op.
///
///   fwd  (x, random int32 [4]) -> y = keep ? x * (1 / (1 - rate)) : +0
///   bwd  (grad_y, random) -> grad_x, the same function of grad_y: the mask is drawn again
///
/// random = {seed low, seed high, step, 0}. Element e is kept if uniform(e) >= rate, where
/// uniform(e) is the upper 24 bits, times 2^-24, of word e mod 4 of the Philox4x32-10 block with
/// key = seed and counter = (e / 4, step, stream_low, stream_high). So the mask depends on the
/// position in the tensor, the seed, the step and the stream alone. rate = 0 changes nothing, rate
/// = 1 gives zeros. The factor is rounded once. The output may be the first input. Attributes:
/// rate, stream_low, stream_high: halves of the id of the layer's own stream. Source: Srivastava et
/// al., JMLR 15 (2014), in the form that scales while training.
struct Dropout {
  static constexpr const char* kForward = "dropout/1.fwd";
  static constexpr const char* kBackward = "dropout/1.bwd";

  double rate = 0.5;
  std::uint64_t stream = 0;

  static Dropout from(const Attributes& a) {
    return {a.real("rate", 0), static_cast<std::uint64_t>(a.integer("stream_low", 0)) |
                                   static_cast<std::uint64_t>(a.integer("stream_high", 0)) << 32};
  }
  /// Kept are the elements whose upper 24 bits are at least this.
  std::uint32_t threshold() const {
    return static_cast<std::uint32_t>(std::ceil(rate * 16777216.0));
  }
  /// 1 / (1 - rate); 0 where nothing is kept.
  double factor() const { return rate < 1 ? 1 / (1 - rate) : 0; }

  Op forward(const Shape& x, Purpose purpose) const { return make(kForward, x, purpose); }
  Op backward(const Shape& x) const { return make(kBackward, x, Purpose::train); }

 private:
  Op make(const char* id, const Shape& x, Purpose purpose) const {
    if (!(rate >= 0 && rate <= 1)) {
      throw ShapeError("dropout: rate: expected a number from 0 to 1, got " + std::to_string(rate));
    }
    Op op{id, {{DType::f32, x}, {DType::i32, {4}}}, {{DType::f32, x}}, {}, purpose};
    op.attributes.set_unless("rate", rate, 0.0);
    op.attributes.set_unless("stream_low", static_cast<std::int64_t>(stream & 0xFFFFFFFFu),
                             std::int64_t{0});
    op.attributes.set_unless("stream_high", static_cast<std::int64_t>(stream >> 32),
                             std::int64_t{0});
    return op;
  }
};

}  // namespace soma::ops
