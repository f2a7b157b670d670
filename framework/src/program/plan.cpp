#include "program/plan.hpp"

#include <algorithm>
#include <numeric>

namespace soma {

std::size_t plan_memory(std::vector<Lifetime>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return blocks[a].size_bytes > blocks[b].size_bytes;
  });
  const auto rounded = [](std::size_t size) { return (size + 63) / 64 * 64; };
  std::size_t arena = 0;
  std::vector<std::size_t> placed;
  for (const std::size_t i : order) {
    Lifetime& block = blocks[i];
    if (block.size_bytes == 0) continue;
    std::vector<std::pair<std::size_t, std::size_t>>
        taken;  // [begin, end) of those alive with this one
    for (const std::size_t j : placed) {
      const Lifetime& other = blocks[j];
      if (other.first <= block.last && block.first <= other.last) {
        taken.emplace_back(other.offset, other.offset + rounded(other.size_bytes));
      }
    }
    std::ranges::sort(taken);
    std::size_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (begin >= offset + rounded(block.size_bytes)) break;
      offset = std::max(offset, end);
    }
    block.offset = offset;
    arena = std::max(arena, offset + rounded(block.size_bytes));
    placed.push_back(i);
  }
  return arena;
}

}  // namespace soma
