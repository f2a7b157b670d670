#include "soma/tensor.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

namespace soma {

AlignedBytes::AlignedBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  const std::size_t rounded = (size + 63) / 64 * 64;
  auto* p = static_cast<std::byte*>(std::aligned_alloc(64, rounded));
  if (p == nullptr) throw std::bad_alloc();
  std::memset(p, 0, rounded);
  data_.reset(p);
}

void AlignedBytes::Free::operator()(std::byte* p) const noexcept { std::free(p); }

Tensor::Tensor(Shape shape, DType dtype)
    : shape_(shape),
      dtype_(dtype),
      bytes_(static_cast<std::size_t>(shape.elements()) * soma::size_bytes(dtype)) {}

Tensor Tensor::clone() const {
  Tensor copy(shape_, dtype_);
  if (bytes_.size() > 0) std::memcpy(copy.data(), data(), bytes_.size());
  return copy;
}

}  // namespace soma
