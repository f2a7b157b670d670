#include "train/batches.hpp"

#include <algorithm>
#include <numeric>

#include "soma/philox.hpp"

namespace soma {

std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const PhiloxStream stream(seed, "shuffle");
  for (std::int64_t i = n - 1; i > 0; --i) {
    const auto bits =
        stream.block(static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(i));
    const std::uint64_t wide = std::uint64_t{bits[0]} << 32 | bits[1];
    // The upper half of the product maps 64 random bits to [0, i].
    const auto j = static_cast<std::size_t>(
        (static_cast<unsigned __int128>(wide) * static_cast<std::uint64_t>(i + 1)) >> 64);
    std::swap(order[static_cast<std::size_t>(i)], order[j]);
  }
  return order;
}

std::int32_t argmax(std::span<const float> values) {
  return static_cast<std::int32_t>(std::ranges::max_element(values) - values.begin());
}

}  // namespace soma
