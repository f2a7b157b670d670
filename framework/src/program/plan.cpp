#include "program/plan.hpp"

#include <algorithm>
#include <map>
#include <numeric>

namespace soma {
namespace {

std::size_t rounded(std::size_t size) { return (size + 63) / 64 * 64; }

}  // namespace

std::size_t plan_memory(std::vector<Lifetime>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, [&](std::size_t a, std::size_t b) {
    return blocks[a].size_bytes > blocks[b].size_bytes;
  });
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

std::size_t least_memory(const std::vector<Lifetime>& blocks) {
  // Per step, what begins less what ended with the step before; unsigned sums wrap back.
  std::map<int, std::size_t> change;
  for (const Lifetime& block : blocks) {
    change[block.first] += rounded(block.size_bytes);
    change[block.last + 1] -= rounded(block.size_bytes);
  }
  std::size_t alive = 0, most = 0;
  for (const auto& [step, bytes] : change) most = std::max(most, alive += bytes);
  return most;
}

}  // namespace soma
