// The command's own malloc and its kin: those of the C library with a counter before them, which
// rests until it is first asked for.
#include "allocation_count.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

std::int64_t allocations_so_far() noexcept { return -1; }

#else

namespace {

std::atomic<bool> counting{false};
std::atomic<std::int64_t> allocations{0};

void count() noexcept {
  if (counting.load(std::memory_order_relaxed)) {
    allocations.fetch_add(1, std::memory_order_relaxed);
  }
}

}  // namespace

std::int64_t allocations_so_far() noexcept {
  counting.store(true, std::memory_order_relaxed);
  return allocations.load(std::memory_order_relaxed);
}

#define SOMA_VISIBLE __attribute__((visibility("default")))

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* p, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

SOMA_VISIBLE void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
SOMA_VISIBLE void* calloc(std::size_t n, std::size_t size) {
  count();
  return __libc_calloc(n, size);
}
SOMA_VISIBLE void* realloc(void* p, std::size_t size) {
  count();
  return __libc_realloc(p, size);
}
SOMA_VISIBLE void* memalign(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
SOMA_VISIBLE void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
SOMA_VISIBLE int posix_memalign(void** p, std::size_t alignment, std::size_t size) {
  count();
  if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) {
    return EINVAL;
  }
  void* const made = __libc_memalign(alignment, size);
  if (made == nullptr) return ENOMEM;
  *p = made;
  return 0;
}
}

#endif
