#include "program/plan.hpp"

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

namespace soma {
namespace {

constexpr double kGoal = 1.01;  // times the least possible
// Orders tried on the way there, and pairs of blocks looked at: some 30 ms at most.
constexpr std::size_t kTries = 1000, kPairs = 20'000'000;

std::size_t rounded(std::size_t size) { return (size + 63) / 64 * 64; }

// Gives the blocks their offsets in that order, each at the lowest place that is free for its
// lifetime.
std::size_t place(std::vector<Lifetime>& blocks, const std::vector<std::size_t>& order) {
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

}  // namespace

std::size_t plan_memory(std::vector<Lifetime>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{},
                           [&](std::size_t i) { return blocks[i].size_bytes; });
  std::size_t arena = place(blocks, order);
  // Where that leaves gaps: other orders, each one block away from the best so far.
  const auto goal = static_cast<std::size_t>(kGoal * static_cast<double>(least_memory(blocks)));
  std::minstd_rand random;  // the same plan everywhere
  std::vector<Lifetime> tried = blocks;
  const std::size_t tries = std::min(kTries, kPairs / (1 + order.size() * order.size()));
  for (std::size_t i = 0; i < tries && arena > goal; ++i) {
    std::vector<std::size_t> other = order;
    const std::size_t moved = other[random() % other.size()];
    std::erase(other, moved);
    other.insert(other.begin() + static_cast<std::ptrdiff_t>(random() % order.size()), moved);
    const std::size_t found = place(tried, other);
    if (found > arena) continue;
    arena = found;
    order = std::move(other);
    blocks = tried;
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
