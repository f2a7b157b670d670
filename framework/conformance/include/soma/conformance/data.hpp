#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "soma/conformance/case.hpp"
#include "soma/sdk/op.hpp"

namespace soma::conformance {

/// A dense tensor of the suite: copyable, 16-byte aligned.
struct Array {
  TensorInfo info;
  std::vector<std::byte> bytes;

  Array() = default;
  explicit Array(TensorInfo tensor)
      : info(std::move(tensor)),
        bytes(size_bytes(info.dtype) * static_cast<std::size_t>(info.shape.elements())) {}

  std::size_t elements() const { return static_cast<std::size_t>(info.shape.elements()); }
  template <class T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(bytes.data()), elements()};
  }
  template <class T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes.data()), elements()};
  }
};

/// What the operands of a run hold.
enum class Fill {
  random,     ///< uniform values of many magnitudes, as the case's Spread says
  integers,   ///< whole numbers in [-4, 4]: sums of products are exact in float32
  nonfinite,  ///< random with NaN, +-Inf, +-0 and +-1e-40 planted at first, last and tail positions
  huge        ///< random with +-FLT_MAX, +-0 and +-1e-40 planted there
};
inline constexpr Fill kFills[] = {Fill::random, Fill::integers, Fill::nonfinite, Fill::huge};
const char* name_of(Fill fill) noexcept;

/// Operands of one run: the inputs, and what the outputs hold before it (used when accumulating).
struct Operands {
  std::vector<Array> inputs;
  std::vector<Array> old_outputs;
};

/// Fills the operands of `c` from Philox streams named by the case and the operand: the same seed
/// gives the same numbers on every machine. Operands with a meaning keep it under every fill:
/// targets are valid classes, argmax points at a tap of its window, probabilities are positive rows
/// that sum to about 1, second moments are not negative, learning rates are small and positive.
Operands make_operands(const Case& c, Fill fill, std::uint64_t seed);

/// Values at least 0.01 apart and 0.005 away from 0, in random order: smooth enough for difference
/// quotients through relu and max-pool. float64.
Array separated_values(const Shape& shape, std::uint64_t seed, std::string_view stream);

/// Uniform values in [-1, 1). float64.
Array uniform_values(const Shape& shape, std::uint64_t seed, std::string_view stream);

/// The array with every float32 as float64; int32 stays.
Array as_f64(const Array& from);

/// The array with every float64 rounded to float32; int32 stays.
Array as_f32(const Array& from);

/// The absolute values; int32 stays.
Array absolute(const Array& from);

}  // namespace soma::conformance
