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

void pack_contiguous(const float* b, std::int64_t stride, std::int64_t cols, std::int64_t kc,
                     float* panels, std::int64_t panel_stride) {
  const std::int64_t nr = micro_kernels().nr, last = cols / nr * nr;
  // Term by term through all panels: long reads, where single panels would jump from page to page.
  for (std::int64_t j = 0; j < kc; ++j) {
    const float* from = b + j * stride;
    float* to = panels + j * nr;
    for (std::int64_t c = 0; c < last; c += nr, to += panel_stride) {
      for (std::int64_t i = 0; i < nr; i += 8) {
        _mm256_storeu_ps(to + i, _mm256_loadu_ps(from + c + i));
      }
    }
    if (last < cols) {
      copy_floats(from + last, to, cols - last);
      zero_floats(to + (cols - last), nr - (cols - last));
    }
  }
}

void pack_transposed(const float* b, std::int64_t stride, std::int64_t cols, std::int64_t kc,
                     float* panels, std::int64_t panel_stride) {
  const std::int64_t nr = micro_kernels().nr, whole_terms = kc / 8 * 8;
  for (std::int64_t n = 0; n < cols; n += nr, panels += panel_stride) {
    for (std::int64_t i = 0; i < nr; i += 8) {
      const float* from = b + (n + i) * stride;
      const std::int64_t tile_cols = std::clamp<std::int64_t>(cols - n - i, 0, 8);
      std::int64_t j = 0;
      if (tile_cols == 8) {
        for (; j < whole_terms; j += 8) transpose8(from + j, stride, panels + j * nr + i, nr);
      }
      for (; j < kc; ++j) {
        for (std::int64_t c = 0; c < 8; ++c) {
          panels[j * nr + i + c] = c < tile_cols ? from[c * stride + j] : 0.0f;
        }
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

void MatrixRows::pack_panels(const std::int64_t* bounds, std::int64_t count, std::int64_t k,
                             std::int64_t kc, float* panels, std::int64_t panel_stride) const {
  if (along_ == Along::terms) {
    return RowSource::pack_panels(bounds, count, k, kc, panels, panel_stride);
  }
  // Term by term through all panels: terms lie far apart, often each on a page of its own, where no
  // hardware looks ahead.
  constexpr std::int64_t kAhead = 16, kLine = 16;
  for (std::int64_t j = 0; j < kc; ++j) {
    const float* from = a_ + (k + j) * stride_;
    const float* ahead = from + std::min(kAhead, kc - 1 - j) * stride_;
    for (std::int64_t m = bounds[0]; m < bounds[count]; m += kLine) {
      __builtin_prefetch(ahead + m, 0, 2);
    }
    float* to = panels + j * kColumnStride;
    for (std::int64_t i = 0; i < count; ++i, to += panel_stride) {
      copy_floats(from + bounds[i], to, bounds[i + 1] - bounds[i]);
    }
  }
}

const float* MatrixRows::in_place(std::int64_t m, std::int64_t k, std::int64_t* step) const {
  // Rows a power of two apart compete for the same cache sets, and terms far apart touch a cache
  // line each.
  const bool suits = along_ == Along::terms ? stride_ % 128 != 0 : stride_ <= 32;
  if (!suits) return nullptr;
  *step = stride_;
  return along_ == Along::terms ? a_ + m * stride_ + k : a_ + k * stride_ + m;
}

void MatrixColumns::pack(std::int64_t n, std::int64_t cols, std::int64_t k, std::int64_t kc,
                         float* panels, std::int64_t panel_stride) const {
  if (along_ == Along::terms) {
    pack_transposed(b_ + n * stride_ + k, stride_, cols, kc, panels, panel_stride);
  } else {
    pack_contiguous(b_ + k * stride_ + n, stride_, cols, kc, panels, panel_stride);
  }
}

}  // namespace soma::common
