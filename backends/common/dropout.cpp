#include "soma/sdk/ops/dropout.hpp"

#include <immintrin.h>

#include <algorithm>

#include "copy.hpp"
#include "kernel_base.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGroup = 32;  // elements: eight blocks of Philox, side by side
constexpr std::int64_t kGrain = 8192 / kGroup;

/// Eight blocks of Philox4x32-10 at once: word i of block b in lane b of w[i].
struct Blocks {
  __m256i w[4];
};

/// High and low halves of the eight products a * m.
struct Product {
  __m256i high, low;
};
inline Product multiply(__m256i a, __m256i m) {
  const __m256i even = _mm256_mul_epu32(a, m);
  const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), m);
  return {_mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xAA),
          _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xAA)};
}

/// The generator of soma/sdk/philox.hpp with the numbers that all blocks share spread out once.
class Philox8 {
 public:
  Philox8(std::uint32_t seed_low, std::uint32_t seed_high, std::uint32_t step, std::uint64_t stream)
      : step_(spread(step)),
        stream_low_(spread(static_cast<std::uint32_t>(stream))),
        stream_high_(spread(static_cast<std::uint32_t>(stream >> 32))) {
    for (std::uint32_t round = 0; round < 10; ++round) {
      key_low_[round] = spread(seed_low + round * 0x9E3779B9u);
      key_high_[round] = spread(seed_high + round * 0xBB67AE85u);
    }
  }

  /// Blocks [first, first + 8).
  Blocks operator()(std::uint32_t first) const {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i m0 = spread(0xD2511F53u), m1 = spread(0xCD9E8D57u);
    __m256i c0 = _mm256_add_epi32(spread(first), lane);
    __m256i c1 = step_, c2 = stream_low_, c3 = stream_high_;
    for (int round = 0; round < 10; ++round) {
      const Product a = multiply(c0, m0), b = multiply(c2, m1);
      c0 = _mm256_xor_si256(_mm256_xor_si256(b.high, c1), key_low_[round]);
      c2 = _mm256_xor_si256(_mm256_xor_si256(a.high, c3), key_high_[round]);
      c1 = b.low;
      c3 = a.low;
    }
    return {{c0, c1, c2, c3}};
  }

 private:
  static __m256i spread(std::uint32_t x) { return _mm256_set1_epi32(static_cast<int>(x)); }
  __m256i step_, stream_low_, stream_high_;
  __m256i key_low_[10], key_high_[10];
};

/// The 32 words in the order of the elements: those of block 0, of block 1, ...
inline Blocks in_order(const Blocks& b) {
  const __m256i low01 = _mm256_unpacklo_epi32(b.w[0], b.w[1]);
  const __m256i low23 = _mm256_unpacklo_epi32(b.w[2], b.w[3]);
  const __m256i high01 = _mm256_unpackhi_epi32(b.w[0], b.w[1]);
  const __m256i high23 = _mm256_unpackhi_epi32(b.w[2], b.w[3]);
  const __m256i b04 = _mm256_unpacklo_epi64(low01, low23);
  const __m256i b15 = _mm256_unpackhi_epi64(low01, low23);
  const __m256i b26 = _mm256_unpacklo_epi64(high01, high23);
  const __m256i b37 = _mm256_unpackhi_epi64(high01, high23);
  return {{_mm256_permute2x128_si256(b04, b15, 0x20), _mm256_permute2x128_si256(b26, b37, 0x20),
           _mm256_permute2x128_si256(b04, b15, 0x31), _mm256_permute2x128_si256(b26, b37, 0x31)}};
}

/// Forward and backward: both apply the mask to their first input.
class DropoutKernel final : public CanonicalKernel {
 public:
  DropoutKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        dropout_(ops::Dropout::from(op.attributes)),
        n_(op.in(0).elements()) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* x = exec.input<float>(0);
    const auto* random = exec.input<std::int32_t>(1);
    auto* y = exec.output<float>(0);
    const Philox8 philox(static_cast<std::uint32_t>(random[0]),
                         static_cast<std::uint32_t>(random[1]),
                         static_cast<std::uint32_t>(random[2]), dropout_.stream);
    const __m256 factor = _mm256_set1_ps(static_cast<float>(dropout_.factor()));
    // 24 bits compare as signed numbers too.
    const __m256i below = _mm256_set1_epi32(static_cast<int>(dropout_.threshold()) - 1);
    const auto masked = [&](__m256i words, __m256 value) {
      const __m256i keep = _mm256_cmpgt_epi32(_mm256_srli_epi32(words, 8), below);
      return _mm256_and_ps(_mm256_castsi256_ps(keep), _mm256_mul_ps(value, factor));
    };
    const std::int64_t groups = (n_ + kGroup - 1) / kGroup;
    parallel().run(exec.threads(), groups, kGrain, [&](std::int64_t begin, std::int64_t end) {
      const std::int64_t whole = std::min(end, n_ / kGroup);
      for (std::int64_t group = begin; group < whole; ++group) {
        const Blocks words = in_order(philox(static_cast<std::uint32_t>(group * 8)));
        for (int i = 0; i < 4; ++i) {
          const std::int64_t at = group * kGroup + i * 8;
          _mm256_storeu_ps(y + at, masked(words.w[i], _mm256_loadu_ps(x + at)));
        }
      }
      if (whole == end) return;
      const Blocks words = in_order(philox(static_cast<std::uint32_t>(whole * 8)));
      for (int i = 0; i < 4; ++i) {
        const std::int64_t at = whole * kGroup + i * 8;
        const __m256i lanes = first_lanes(std::clamp<std::int64_t>(n_ - at, 0, 8));
        _mm256_maskstore_ps(y + at, lanes, masked(words.w[i], _mm256_maskload_ps(x + at, lanes)));
      }
    });
  }

  ops::Dropout dropout_;
  std::int64_t n_;
};

KernelPtr make_dropout(const Op& op, const Parallel& parallel) {
  return std::make_unique<DropoutKernel>(op, parallel);
}

}  // namespace

std::span<const Entry> dropout_kernels() {
  static constexpr Entry kEntries[] = {{ops::Dropout::kForward, &make_dropout},
                                       {ops::Dropout::kBackward, &make_dropout}};
  return kEntries;
}

}  // namespace soma::common
