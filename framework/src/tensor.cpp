#include "soma/tensor.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace soma {

namespace {

constexpr std::size_t kCacheLine = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

}  // namespace

AlignedBytes::AlignedBytes(std::size_t size) : size_(size) {
  if (size == 0) return;
  const std::size_t alignment = size < kHugePage ? kCacheLine : kHugePage;
  const std::size_t rounded = (size + kCacheLine - 1) / kCacheLine * kCacheLine;
  void* p = nullptr;
  if (posix_memalign(&p, alignment, rounded) != 0) throw std::bad_alloc();
  // Whole huge pages only, so that no more memory is taken than asked for. A refusal costs time
  // alone.
  if (alignment == kHugePage) madvise(p, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  std::memset(p, 0, rounded);
  data_.reset(static_cast<std::byte*>(p));
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
