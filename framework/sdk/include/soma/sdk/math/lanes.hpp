#pragma once

#include <cstdint>

#include "soma/sdk/math/avx2.hpp"
#include "soma/sdk/math/avx512.hpp"
#include "soma/sdk/math/scalar.hpp"

/// Generic loops over arrays: a kernel written once as [](auto x) { return ...; } runs in the
/// widest lanes, and the last elements run the very same vector code under a mask. So the bits of
/// an element depend neither on its position nor on how a range is cut.
namespace soma::math {
inline namespace SOMA_MATH_ISA {

/// A float32 number type: F32, F32x8 or F32x16.
template <class T>
concept FloatLanes = std::same_as<typename T::Scalar, float> && requires {
  typename T::Int;
};

/// The widest float32 lanes that this unit was compiled for.
#if defined(__AVX512F__)
using WideF32 = F32x16;
#else
using WideF32 = F32x8;
#endif

// The loops are flattened: a function called for each vector would reload all its constants. They
// fetch ahead by themselves: a function that takes a hundred instructions keeps the CPU from seeing
// the next loads in time (gelu over 1e7 elements: 16 to 8.5 ms on one thread).
inline constexpr std::int64_t kAhead = 512;

/// y[i] = f(x[i]) for i in [0, n), with f called on values of lane type L. y may be x.
template <class L, class Function>
[[gnu::flatten]] inline void transform_as(const typename L::Scalar* x, typename L::Scalar* y,
                                          std::int64_t n, Function f) {
  std::int64_t i = 0;
  for (; i + L::kLanes <= n; i += L::kLanes) {
    __builtin_prefetch(x + i + kAhead);
    __builtin_prefetch(y + i + kAhead, 1);
    L(f(L::load(x + i))).store(y + i);
  }
  if (i < n) L(f(L::load_partial(x + i, n - i))).store_partial(y + i, n - i);
}

/// y[i] = f(a[i], b[i]) for i in [0, n). y may be a or b.
template <class L, class Function>
[[gnu::flatten]] inline void transform_as(const typename L::Scalar* a, const typename L::Scalar* b,
                                          typename L::Scalar* y, std::int64_t n, Function f) {
  std::int64_t i = 0;
  for (; i + L::kLanes <= n; i += L::kLanes) {
    __builtin_prefetch(a + i + kAhead);
    __builtin_prefetch(b + i + kAhead);
    __builtin_prefetch(y + i + kAhead, 1);
    L(f(L::load(a + i), L::load(b + i))).store(y + i);
  }
  if (i < n) {
    const L tail = f(L::load_partial(a + i, n - i), L::load_partial(b + i, n - i));
    tail.store_partial(y + i, n - i);
  }
}

/// The same in the widest float32 lanes, or element by element in float64.
template <class Function>
inline void transform(const float* x, float* y, std::int64_t n, Function f) {
  transform_as<WideF32>(x, y, n, f);
}
template <class Function>
inline void transform(const float* a, const float* b, float* y, std::int64_t n, Function f) {
  transform_as<WideF32>(a, b, y, n, f);
}
template <class Function>
inline void transform(const double* x, double* y, std::int64_t n, Function f) {
  transform_as<F64>(x, y, n, f);
}
template <class Function>
inline void transform(const double* a, const double* b, double* y, std::int64_t n, Function f) {
  transform_as<F64>(a, b, y, n, f);
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::math
