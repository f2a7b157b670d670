#pragma once

#include <cstdint>
#include <filesystem>
#include <numeric>
#include <string>
#include <vector>

#include "soma/conformance/data.hpp"

namespace soma::onnx_tests {

using Dims = std::vector<std::int64_t>;

inline std::int64_t count(const Dims& dims) {
  return std::accumulate(dims.begin(), dims.end(), std::int64_t{1}, std::multiplies<>());
}

/// A tensor of a stored case: float32, or int64 (int32 and bool are widened).
struct Tensor {
  Dims dims;
  bool integral = false;
  std::vector<float> f;
  std::vector<std::int64_t> i;

  static Tensor floats(Dims dims, std::vector<float> values);
  static Tensor filled(Dims dims, float value);
  std::int64_t rank() const { return static_cast<std::int64_t>(dims.size()); }
  /// An axis that may count from the end.
  std::size_t axis(std::int64_t a) const {
    return static_cast<std::size_t>(a < 0 ? a + rank() : a);
  }
  Tensor reshaped(Dims to) const;
  /// Axis k of the result is axis order[k] of this.
  Tensor permuted(const std::vector<std::size_t>& order) const;
  /// [N,C,spatial...] as [N,spatial...,C], and back.
  Tensor channels_last() const;
  Tensor channels_first() const;
  /// Repeated along axes of extent 1, after numpy's broadcasting rule.
  Tensor expanded(const Dims& to) const;
  /// For the product's ops: rank and element type as they take them.
  conformance::Array array() const;
  conformance::Array array(const Shape& shape) const;
  static Tensor from(const conformance::Array& array);
};

/// The shape both broadcast to.
Dims broadcast(const Dims& a, const Dims& b);

}  // namespace soma::onnx_tests
