#pragma once

#include <cstdint>

/// Heap allocations since the first call, of all threads and libraries of this process. -1 in a
/// build with sanitizers, which have an allocator of their own.
std::int64_t allocations_so_far() noexcept;
