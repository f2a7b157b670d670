#pragma once

#include <cstddef>

namespace soma::conformance {

/// Memory of whole pages between two pages that may be neither read nor written: whoever leaves it
/// on either side ends the process with SIGSEGV. Throws std::bad_alloc.
class GuardedPages {
 public:
  /// The pages hold `size` bytes at least.
  explicit GuardedPages(std::size_t size);
  ~GuardedPages();
  GuardedPages(const GuardedPages&) = delete;
  GuardedPages& operator=(const GuardedPages&) = delete;

  std::byte* begin() const noexcept { return begin_; }
  std::byte* end() const noexcept { return end_; }

 private:
  void* mapped_;
  std::size_t bytes_;
  std::byte *begin_, *end_;
};

}  // namespace soma::conformance
