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

// 2 vectors wide and as tall as the registers allow: 14*2 sums + 2 of B + 1 broadcast of 32, or
// 6*2 + 2 + 1 of 16.
#if HWY_TARGET <= HWY_AVX3
constexpr int kRows = 14;
constexpr int kColumnStride = 16;
constexpr const char* kIsa = "avx512";
#else
constexpr int kRows = 6;
constexpr int kColumnStride = 8;
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
  const float* total = t.total + row * t.total_stride + col;
  V v = hn::Add(t.first ? hn::Zero(D()) : access.load(total), block);
  if (t.finish == nullptr) return access.store(v, t.total + row * t.total_stride + col);
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

template <int kTileRows, int kVectors, PanelLayout kLayout>
void run_tile(const Tile& t) {
  const D d;
  V sum[kTileRows][kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kTileRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(d);
  }
  const float* HWY_RESTRICT a = t.a;
  const float* HWY_RESTRICT b = t.b;
  constexpr std::int64_t kRowStep = kLayout == PanelLayout::rows ? kRowStride : 1;
  constexpr std::int64_t kTermStep = kLayout == PanelLayout::rows ? 1 : kColumnStride;
#pragma GCC unroll 2
  for (std::int64_t k = 0; k < t.kc; ++k) {
    V bk[kVectors];
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) bk[j] = hn::LoadU(d, b + j * kLanes);
#pragma GCC unroll 16
    for (int i = 0; i < kTileRows; ++i) {
      const V ak = hn::Set(d, a[i * kRowStep]);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = hn::MulAdd(ak, bk[j], sum[i][j]);
    }
    a += kTermStep;
    b += kCols;
  }
#pragma GCC unroll 2
  for (int j = 0; j < kVectors; ++j) {
    const int left = t.cols - j * kLanes;
    if (left >= kLanes) {
#pragma GCC unroll 16
      for (int i = 0; i < kTileRows; ++i) settle(t, sum[i][j], i, j * kLanes, Whole{});
    } else if (left > 0) {
      const Part part{hn::FirstN(d, static_cast<std::size_t>(left))};
#pragma GCC unroll 16
      for (int i = 0; i < kTileRows; ++i) settle(t, sum[i][j], i, j * kLanes, part);
    }
  }
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
    MicroKernels made{kIsa, kRows, kCols, kColumnStride, {}};
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
