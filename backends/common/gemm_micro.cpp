#include "gemm_micro.hpp"

#include <cstdlib>
#include <string_view>

// Compiled once per instruction set. Only targets with a fused MulAdd may take part: a separate
// multiply and add would change the bits (hence no SSE), and AVX-512 variants beyond AVX3 add
// nothing.
#define HWY_DISABLED_TARGETS (~(HWY_AVX2 | HWY_AVX3))
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "gemm_micro.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace soma::common {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 2 vectors wide and as tall as the registers allow: 14*2 sums + 2 of B + 1 broadcast of 32, or 6*2
// + 2 + 1 of 16.
#if HWY_TARGET <= HWY_AVX3
constexpr int kRows = 14;
constexpr const char* kIsa = "avx512";
#else
constexpr int kRows = 6;
constexpr const char* kIsa = "avx2";
#endif

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int kLanes = static_cast<int>(HWY_LANES(float));
constexpr int kCols = 2 * kLanes;

struct Whole {
  HWY_INLINE V load(const float* p) const { return hn::LoadU(D(), p); }
  HWY_INLINE void store(V v, float* p) const { hn::StoreU(v, D(), p); }
};
struct Part {
  hn::Mask<D> mask;
  HWY_INLINE V load(const float* p) const { return hn::MaskedLoad(mask, D(), p); }
  HWY_INLINE void store(V v, float* p) const { hn::BlendedStore(v, mask, D(), p); }
};

// Adds one vector of block sums to its total and finishes it after the last block.
template <class Access>
HWY_INLINE void settle(const Tile& t, V block, int row, int col, const Access& access) {
  float* total = t.total + row * t.total_stride + col;
  V v = hn::Add(t.first ? hn::Zero(D()) : access.load(total), block);
  if (t.finish == nullptr) return access.store(v, total);
  const TileFinish& f = *t.finish;
  float* out = f.out + row * f.out_stride + col;
  if (f.bias != nullptr) v = hn::Add(v, access.load(f.bias + col));
  if (f.residual != nullptr) {
    v = hn::Add(v, access.load(f.residual + row * f.residual_stride + col));
  }
  // Keeps NaN and turns -0 into +0.
  if (f.relu) v = hn::IfThenZeroElse(hn::Le(v, hn::Zero(D())), v);
  if (f.accumulate) v = hn::Add(access.load(out), v);
  access.store(v, out);
}

// The block sums of `rows` rows, kCols apart. One function for all tiles: it is entered once per
// tile and keeps them small.
HWY_NOINLINE void settle_tile(const Tile& t, const float* block, int rows) {
  const D d;
  for (int col = 0; col < t.cols; col += kLanes) {
    const int left = t.cols - col;
    if (left >= kLanes) {
      for (int i = 0; i < rows; ++i) {
        settle(t, hn::Load(d, block + i * kCols + col), i, col, Whole{});
      }
    } else {
      const Part part{hn::FirstN(d, static_cast<std::size_t>(left))};
      for (int i = 0; i < rows; ++i) {
        settle(t, hn::Load(d, block + i * kCols + col), i, col, part);
      }
    }
  }
}

// Adds a[i] * b for the rows of a tile, whose a are `step` apart. Three rows share a pointer, which
// x86 addresses as base, base + step and base + 2 * step; more pointers would not fit the
// registers.
template <int kTileRows, int kVectors>
HWY_INLINE void add_rows(V (&sum)[kTileRows][kVectors], const float* HWY_RESTRICT a,
                         std::int64_t step, const float* HWY_RESTRICT b, std::int64_t terms) {
  const D d;
  constexpr int kPointers = (kTileRows + 2) / 3;
  const float* p[kPointers];
#pragma GCC unroll 16
  for (int i = 0; i < kPointers; ++i) p[i] = a + 3 * i * step;
#pragma GCC unroll 2
  for (std::int64_t k = 0; k < terms; ++k) {
    V bk[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) bk[j] = hn::LoadU(d, b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i) {
      const V ak = hn::Set(d, p[i / 3][i % 3 * step]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(ak, bk[j], sum[i][j]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kPointers; ++i) ++p[i];
    b += kCols;
  }
}

// The same for rows that are side by side and terms that are `step` apart.
template <int kTileRows, int kVectors>
HWY_INLINE void add_columns(V (&sum)[kTileRows][kVectors], const float* HWY_RESTRICT a,
                            std::int64_t step, const float* HWY_RESTRICT b, std::int64_t terms) {
  const D d;
#pragma GCC unroll 2
  for (std::int64_t k = 0; k < terms; ++k) {
    V bk[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) bk[j] = hn::LoadU(d, b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i) {
      const V ak = hn::Set(d, a[i]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(ak, bk[j], sum[i][j]);
    }
    a += step;
    b += kCols;
  }
}

template <int kTileRows, int kVectors, PanelLayout kLayout>
void run_tile(const Tile& t) {
  const D d;
  V sum[kTileRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(d);
  }
  const Segment* const end = t.segments + t.segment_count;
  for (const Segment* s = t.segments; s != end; ++s) {
    if constexpr (kLayout == PanelLayout::rows) {
      add_rows<kTileRows, kVectors>(sum, t.a + s->a, t.a_step, t.b + s->term * kCols, s->terms);
    } else {
      add_columns<kTileRows, kVectors>(sum, t.a + s->a, t.a_step, t.b + s->term * kCols, s->terms);
    }
  }
  HWY_ALIGN float block[kTileRows * kCols];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) hn::Store(sum[i][j], d, block + i * kCols + j * kLanes);
  }
  settle_tile(t, block, kTileRows);
}

template <int kTileRows>
constexpr void fill(MicroKernels& table) {
  table.run[0][kTileRows][0] = &run_tile<kTileRows, 1, PanelLayout::rows>;
  table.run[0][kTileRows][1] = &run_tile<kTileRows, 2, PanelLayout::rows>;
  table.run[1][kTileRows][0] = &run_tile<kTileRows, 1, PanelLayout::columns>;
  table.run[1][kTileRows][1] = &run_tile<kTileRows, 2, PanelLayout::columns>;
  if constexpr (kTileRows > 1) fill<kTileRows - 1>(table);
}

const MicroKernels& table() {
  static const MicroKernels kernels = [] {
    MicroKernels made{kIsa, kRows, kCols, {}};
    fill<kRows>(made);
    return made;
  }();
  return kernels;
}

}  // namespace HWY_NAMESPACE
}  // namespace soma::common
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace soma::common {
namespace {

bool cpu_has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}

}  // namespace

const MicroKernels& micro_kernels() {
  static const MicroKernels& chosen = []() -> const MicroKernels& {
    const char* cap = std::getenv("SOMA_ISA");
    const bool capped = cap != nullptr && std::string_view(cap) == "avx2";
    return cpu_has_avx512() && !capped ? N_AVX3::table() : N_AVX2::table();
  }();
  return chosen;
}

}  // namespace soma::common
#endif  // HWY_ONCE
