#include "guarded_pages.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace soma::conformance {

GuardedPages::GuardedPages(std::size_t size) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t inside = (size + page - 1) / page * page;
  bytes_ = inside + 2 * page;
  mapped_ = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped_ == MAP_FAILED) throw std::bad_alloc();
  begin_ = static_cast<std::byte*>(mapped_) + page;
  end_ = begin_ + inside;
  if (inside > 0 && mprotect(begin_, inside, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapped_, bytes_);
    throw std::bad_alloc();
  }
}

GuardedPages::~GuardedPages() { munmap(mapped_, bytes_); }

}  // namespace soma::conformance
