#pragma once

#include <cstdint>

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// Op family gaussian_sample/1: draws from normal distributions in a way that has a gradient.
///
///   fwd  (mean, deviation of the same shape, random int32 [4]) -> z = fma(deviation, eps, mean)
///   bwd  (grad_z, random) -> grad_deviation = grad_z * eps: eps is drawn again
///
/// The gradient of mean is grad_z. random = {seed low, seed high, step, 0}. eps is standard normal,
/// by Box & Muller (1958): with the words w of the Philox4x32-10 block of key = seed and counter =
/// (e / 4, step, stream_low, stream_high), and for i = e mod 4, k = i - i mod 2,
///
///   u = ((w[k] >> 8) + 1) * 2^-24, v = (w[k + 1] >> 8) * 2^-24
///   eps = sqrt(-2 * log(u)) * (i even ? cos : sin)(2 pi * v)
///
/// with 2 pi rounded to float32, each operation rounded, log, cos and sin the canonical functions.
/// So eps depends on the position in the tensor, the seed, the step and the stream alone. The
/// output may be the first input. Attributes: stream_low, stream_high: halves of the id of the
/// layer's own stream. Source of the gradient: Kingma & Welling, arXiv:1312.6114, section 2.4.
struct GaussianSample {
  static constexpr const char* kForward = "gaussian_sample/1.fwd";
  static constexpr const char* kBackward = "gaussian_sample/1.bwd";
  static constexpr double kTwoPi = 6.28318530717958647692;

  std::uint64_t stream = 0;

  static GaussianSample from(const Attributes& a) {
    return {static_cast<std::uint64_t>(a.integer("stream_low", 0)) |
            static_cast<std::uint64_t>(a.integer("stream_high", 0)) << 32};
  }

  Op forward(const Shape& mean, const Shape& deviation, Purpose purpose) const {
    if (mean != deviation) {
      throw ShapeError("gaussian_sample: expected mean and deviation of one shape, got " +
                       mean.str() + " and " + deviation.str());
    }
    return make(kForward, {{DType::f32, mean}, {DType::f32, deviation}, {DType::i32, {4}}}, mean,
                purpose);
  }
  Op backward(const Shape& z) const {
    return make(kBackward, {{DType::f32, z}, {DType::i32, {4}}}, z, Purpose::train);
  }

 private:
  Op make(const char* id, std::vector<TensorInfo> inputs, const Shape& output,
          Purpose purpose) const {
    Op op{id, std::move(inputs), {{DType::f32, output}}, {}, purpose};
    op.attributes.set_unless("stream_low", static_cast<std::int64_t>(stream & 0xFFFFFFFFu),
                             std::int64_t{0});
    op.attributes.set_unless("stream_high", static_cast<std::int64_t>(stream >> 32),
                             std::int64_t{0});
    return op;
  }
};

}  // namespace soma::ops
