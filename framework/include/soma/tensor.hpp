#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "soma/api.hpp"
#include "soma/shape.hpp"

namespace soma {

/// Owned bytes on a 64-byte boundary, zeroed when made.
class SOMA_API AlignedBytes {
 public:
  AlignedBytes() = default;
  explicit AlignedBytes(std::size_t size);
  std::byte* data() const noexcept { return data_.get(); }
  std::size_t size() const noexcept { return size_; }

 private:
  struct Free {
    void operator()(std::byte* p) const noexcept;
  };
  std::unique_ptr<std::byte, Free> data_;
  std::size_t size_ = 0;
};

/// A dense row-major tensor that owns its elements, 64-byte aligned, zeros when made. Move-only;
/// copy with clone().
class SOMA_API Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Shape shape, DType dtype = DType::f32);

  const Shape& shape() const noexcept { return shape_; }
  DType dtype() const noexcept { return dtype_; }
  std::int64_t elements() const noexcept { return shape_.elements(); }
  std::size_t size_bytes() const noexcept { return bytes_.size(); }
  std::byte* data() noexcept { return bytes_.data(); }
  const std::byte* data() const noexcept { return bytes_.data(); }
  Tensor clone() const;

  /// All elements as T, which must be the type of dtype() (float, double or std::int32_t).
  template <class T>
  std::span<T> as() noexcept {
    return {reinterpret_cast<T*>(bytes_.data()), static_cast<std::size_t>(elements())};
  }
  template <class T>
  std::span<const T> as() const noexcept {
    return {reinterpret_cast<const T*>(bytes_.data()), static_cast<std::size_t>(elements())};
  }

 private:
  Shape shape_{0};
  DType dtype_ = DType::f32;
  AlignedBytes bytes_;
};

/// Numbers that somebody else owns, float32 or int32, row-major: a batch given by hand.
class TensorView {
 public:
  template <class Numbers>
  requires std::convertible_to<const Numbers&, std::span<const float>> TensorView(
      const Numbers& numbers)  // NOLINT: floats are a view of floats
      : TensorView(std::span<const float>(numbers)) {}
  template <class Numbers>
  requires std::convertible_to<const Numbers&, std::span<const std::int32_t>> TensorView(
      const Numbers& numbers)  // NOLINT
      : TensorView(std::span<const std::int32_t>(numbers)) {}
  TensorView(std::span<const float> numbers) noexcept  // NOLINT
      : bytes_(std::as_bytes(numbers)), dtype_(DType::f32) {}
  TensorView(std::span<const std::int32_t> numbers) noexcept  // NOLINT
      : bytes_(std::as_bytes(numbers)), dtype_(DType::i32) {}

  DType dtype() const noexcept { return dtype_; }
  std::size_t size() const noexcept { return bytes_.size() / 4; }  ///< numbers
  std::span<const std::byte> bytes() const noexcept { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
  DType dtype_;
};

}  // namespace soma
