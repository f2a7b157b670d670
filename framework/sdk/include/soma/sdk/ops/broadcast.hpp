#pragma once

#include "soma/sdk/op.hpp"

namespace soma::ops {

/// A tensor seen as [outer, reduced, inner]: the axes before, within and after the ones that a
/// broadcast repeats or a reduction sums over.
struct AxisView {
  std::int64_t outer = 1, reduced = 1, inner = 1;

  /// `shape` around one axis.
  static AxisView around(const Shape& shape, int axis) {
    AxisView view;
    for (int i = 0; i < axis; ++i) view.outer *= shape[i];
    view.reduced = shape[axis];
    view.inner = shape.elements_from(axis + 1);
    return view;
  }

  /// How `b` repeats over `x`: x is [outer, reduced, inner] and b is [outer, inner]. The shapes are
  /// aligned at their last axes; missing leading axes of b count as 1. The axes over which b
  /// repeats must be neighbours: b has x's extents before and after them, and 1 on each of them. So
  /// b may be x's last extents ([C], or [T,D]), one number per item and channel ([N,1,1,C]), per
  /// row ([N,1]) or in all ([1]). Throws ShapeError for anything else.
  static AxisView broadcast(const char* where, const Shape& x, const Shape& b) {
    const int missing = x.rank() - b.rank();
    const auto extent = [&](int axis) { return axis < missing ? 1 : b[axis - missing]; };
    int first = x.rank(), last = -1;
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (extent(axis) == x[axis]) continue;
      first = std::min(first, axis);
      last = axis;
    }
    bool fits = missing >= 0;
    for (int axis = first; axis <= last && fits; ++axis) fits = extent(axis) == 1;
    if (!fits) {
      throw ShapeError(std::string(where) +
                       ": expected a shape that repeats over neighbouring axes of " + x.str() +
                       ", got " + b.str());
    }
    AxisView view;
    for (int axis = 0; axis < x.rank(); ++axis) {
      (axis < first ? view.outer : axis <= last ? view.reduced : view.inner) *= x[axis];
    }
    return view;
  }

  std::int64_t kept() const { return outer * inner; }
};

}  // namespace soma::ops
