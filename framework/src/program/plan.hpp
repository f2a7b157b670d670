#pragma once

#include <cstddef>
#include <vector>

namespace soma {

/// A block of memory needed from step `first` to step `last`, both included.
struct Lifetime {
  std::size_t size_bytes = 0;
  int first = 0, last = 0;
  std::size_t offset = 0;  // set by plan_memory
};

/// Gives each block an offset, a multiple of 64, so that blocks alive at the same time do not
/// overlap: the largest first, each at the lowest place that is free for its lifetime, then in
/// other orders until gaps are small. Returns the size of the arena.
std::size_t plan_memory(std::vector<Lifetime>& blocks);

/// The bytes alive at the step where most are, each block rounded up as plan_memory does.
std::size_t least_memory(const std::vector<Lifetime>& blocks);

}  // namespace soma
