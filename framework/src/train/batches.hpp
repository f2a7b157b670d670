#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace soma {

/// The order of n samples in an epoch: a permutation drawn from (seed, epoch) alone (Fisher &
/// Yates).
std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::int64_t epoch);

/// Index of the largest of the values; the first of equals.
std::int32_t argmax(std::span<const float> values);

}  // namespace soma
