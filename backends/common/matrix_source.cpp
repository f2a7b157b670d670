#include "matrix_source.hpp"

#include <algorithm>

#include "copy.hpp"

namespace soma::common {
namespace {

// Transposes an 8x8 tile: to[j * to_stride + i] = from[i * from_stride + j].
void transpose8(const float* from, std::int64_t from_stride, float* to, std::int64_t to_stride) {
  __m256 r[8], s[8];
  for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(from + i * from_stride);
  for (int i = 0; i < 8; i += 2) {
    s[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
    s[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps(s[i], s[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps(s[i], s[i + 2], 0xEE);
    r[i + 2] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps(s[i + 1], s[i + 3], 0xEE);
  }
  for (int i = 0; i < 4; ++i) {
    _mm256_storeu_ps(to + i * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
    _mm256_storeu_ps(to + (i + 4) * to_stride, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
  }
}

}  // namespace

void pack_contiguous(const float* b, std::int64_t stride, int cols, std::int64_t kc, float* panel) {
  const int nr = micro_kernels().nr;
  for (std::int64_t j = 0; j < kc; ++j) {
    copy_floats(b + j * stride, panel + j * nr, cols);
    zero_floats(panel + j * nr + cols, nr - cols);
  }
}

void pack_transposed(const float* b, std::int64_t stride, int cols, std::int64_t kc, float* panel) {
  const int nr = micro_kernels().nr;
  const std::int64_t whole_terms = kc / 8 * 8;
  for (int i = 0; i < nr; i += 8) {
    const float* from = b + i * stride;
    const int tile_cols = std::clamp(cols - i, 0, 8);
    std::int64_t j = 0;
    if (tile_cols == 8) {
      for (; j < whole_terms; j += 8) transpose8(from + j, stride, panel + j * nr + i, nr);
    }
    for (; j < kc; ++j) {
      for (int c = 0; c < 8; ++c) {
        panel[j * nr + i + c] = c < tile_cols ? from[c * stride + j] : 0.0f;
      }
    }
  }
}

void MatrixRows::pack(std::int64_t m, int rows, std::int64_t k, std::int64_t kc,
                      float* panel) const {
  if (along_ == Along::terms) {
    for (int i = 0; i < rows; ++i) {
      copy_floats(a_ + (m + i) * stride_ + k, panel + i * kRowStride, kc);
    }
    return;
  }
  for (std::int64_t j = 0; j < kc; ++j) {
    copy_floats(a_ + (k + j) * stride_ + m, panel + j * kColumnStride, rows);
  }
}

void MatrixColumns::pack(std::int64_t n, int cols, std::int64_t k, std::int64_t kc,
                         float* panel) const {
  if (along_ == Along::terms) {
    pack_transposed(b_ + n * stride_ + k, stride_, cols, kc, panel);
  } else {
    pack_contiguous(b_ + k * stride_ + n, stride_, cols, kc, panel);
  }
}

}  // namespace soma::common
