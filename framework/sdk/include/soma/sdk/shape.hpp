#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "soma/abi.h"
#include "soma/sdk/error.hpp"

namespace soma {

/// Extents of a dense row-major tensor, outermost first; at most SOMA_MAX_RANK of them, each >= 0.
/// Rank 0 is a scalar of one element.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims)
      : Shape(std::span<const std::int64_t>(dims.begin(), dims.size())) {}
  explicit Shape(std::span<const std::int64_t> dims) {
    if (dims.size() > SOMA_MAX_RANK) {
      throw ShapeError("shape: expected at most 8 dimensions, got " + std::to_string(dims.size()));
    }
    for (const std::int64_t dim : dims) append(dim);
  }

  int rank() const noexcept { return rank_; }
  std::int64_t operator[](int axis) const { return dims_[static_cast<std::size_t>(axis)]; }
  /// Last extent; the channels of an image.
  std::int64_t back() const { return dims_[static_cast<std::size_t>(rank_ - 1)]; }
  std::span<const std::int64_t> dims() const {
    return {dims_.data(), static_cast<std::size_t>(rank_)};
  }

  /// Product of all extents; 1 for a scalar.
  std::int64_t elements() const noexcept { return elements_from(0); }
  /// Product of the extents from `axis` on.
  std::int64_t elements_from(int axis) const noexcept {
    std::int64_t n = 1;
    for (int i = axis; i < rank_; ++i) n *= dims_[static_cast<std::size_t>(i)];
    return n;
  }

  void append(std::int64_t dim) {
    if (rank_ == SOMA_MAX_RANK) throw ShapeError("shape: more than 8 dimensions");
    if (dim < 0) throw ShapeError("shape: negative extent " + std::to_string(dim));
    dims_[static_cast<std::size_t>(rank_++)] = dim;
  }
  void set(int axis, std::int64_t dim) { dims_[static_cast<std::size_t>(axis)] = dim; }
  /// The extents from `axis` on, e.g. a sample's shape within a batch.
  Shape from(int axis) const { return Shape(dims().subspan(static_cast<std::size_t>(axis))); }
  /// This shape with `dim` in front.
  Shape batched(std::int64_t dim) const {
    Shape shape{dim};
    for (const std::int64_t d : dims()) shape.append(d);
    return shape;
  }

  /// "[64,28,28,1]"
  std::string str() const {
    std::string text = "[";
    for (int i = 0; i < rank_; ++i) {
      if (i > 0) text += ',';
      text += std::to_string(dims_[static_cast<std::size_t>(i)]);
    }
    return text + "]";
  }

  friend bool operator==(const Shape& a, const Shape& b) noexcept {
    return std::ranges::equal(a.dims(), b.dims());
  }

 private:
  std::array<std::int64_t, SOMA_MAX_RANK> dims_{};
  int rank_ = 0;
};

/// Element type of a tensor.
enum class DType : std::int32_t { f32 = SOMA_F32, f64 = SOMA_F64, i32 = SOMA_I32 };

/// Bytes of one element.
constexpr std::size_t size_bytes(DType dtype) noexcept { return dtype == DType::f64 ? 8 : 4; }

constexpr const char* name_of(DType dtype) noexcept {
  return dtype == DType::f32 ? "f32" : dtype == DType::f64 ? "f64" : "i32";
}

}  // namespace soma
