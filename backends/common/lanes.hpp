#pragma once

#include <cstdint>

#include "soma/sdk/math/lanes.hpp"

/// How the kernels walk over elements: in the widest lanes of the instruction set that a unit is
/// compiled for, the rest under a mask.
namespace soma::common {

using Lanes = math::WideF32;
inline constexpr std::int64_t kLanes = Lanes::kLanes;

/// The place of kLanes elements.
struct Whole {
  static Lanes load(const float* p) { return Lanes::load(p); }
  static void store(Lanes v, float* p) { v.store(p); }
  static Lanes only(Lanes v) { return v; }
};

/// The place of the last few: the other lanes read as +0 and are never written.
struct Part {
  std::int64_t count;  // 1 to kLanes - 1
  Lanes load(const float* p) const { return Lanes::load_partial(p, count); }
  void store(Lanes v, float* p) const { v.store_partial(p, count); }
  /// v with +0 in the lanes beyond.
  Lanes only(Lanes v) const { return v.keep_first(count); }
};

/// step(i, place) for every kLanes elements of [begin, end).
template <class Step>
inline void for_lanes(std::int64_t begin, std::int64_t end, Step&& step) {
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes) step(i, Whole{});
  if (i < end) step(i, Part{end - i});
}
template <class Step>
inline void for_lanes(std::int64_t n, Step&& step) {
  for_lanes(0, n, step);
}

/// p[0..kLanes), of which `left` exist (perhaps none or less); +0 for the others.
inline Lanes load_lanes(const float* p, std::int64_t left) {
  if (left >= kLanes) return Lanes::load(p);
  return left > 0 ? Lanes::load_partial(p, left) : Lanes(0);
}
/// The first `left` lanes of v, at most all of them.
inline void store_lanes(Lanes v, float* p, std::int64_t left) {
  if (left > 0) left >= kLanes ? v.store(p) : v.store_partial(p, left);
}

}  // namespace soma::common
