#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "soma/tensor.hpp"

namespace soma::data {

/// An array of NumPy's .npy format, versions 1 to 3, in C order: f4, f8, i1 to i8, u1 to u8 and
/// bool, of either byte order. Source: NEP 1, "A simple file format for NumPy arrays".
class NpyArray {
 public:
  /// Takes a file's bytes. Throws FormatError "origin: offset N: ...".
  NpyArray(std::string bytes, const std::string& origin);

  const Shape& shape() const noexcept { return shape_; }
  bool is_float() const noexcept { return kind_ == 'f'; }
  bool is_bytes() const noexcept { return kind_ == 'u' && size_ == 1; }
  /// All elements. Integers that int32 does not hold throw FormatError with their index.
  Tensor floats() const;
  std::vector<std::int32_t> integers() const;
  std::vector<std::uint8_t> bytes() const;  ///< of is_bytes()

 private:
  void parse_header(std::string_view header, std::size_t offset);
  [[noreturn]] void fail(std::size_t offset, const std::string& problem) const;
  template <class Visit>
  void each(Visit visit) const;

  std::string bytes_, origin_;
  std::size_t data_ = 0;  // offset
  char kind_ = 0, order_ = 0;
  std::size_t size_ = 0;  // of an element
  Shape shape_;
};

}  // namespace soma::data
