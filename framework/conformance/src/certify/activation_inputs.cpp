#include "certify/activation_inputs.hpp"

#include <bit>
#include <cmath>

#include "soma/philox.hpp"

namespace soma::conformance {

std::vector<float> ordinary_inputs(std::size_t count, std::uint64_t seed) {
  const PhiloxStream stream(seed, "certify.activation");
  std::vector<float> list;
  for (std::size_t i = 0; i < count; ++i) {
    const auto element = static_cast<std::uint32_t>(i);
    const float wide = stream.bits(1, element) % 8 == 0 ? 30.0f : 4.0f;
    list.push_back(wide * (2 * stream.uniform(0, element) - 1));
  }
  return list;
}

std::vector<double> smooth_inputs(std::uint64_t seed) {
  const PhiloxStream stream(seed, "certify.differences");
  std::vector<double> list;
  for (std::uint32_t i = 0; i < 1000; ++i) {
    list.push_back(24 * static_cast<double>(stream.uniform(0, i)) - 12);
  }
  for (int half = -16; half <= 16; ++half) list.push_back(half / 2.0);
  return list;
}

void for_each_block(bool full, std::uint64_t seed,
                    const std::function<bool(const std::vector<float>&)>& visit) {
  constexpr std::size_t kBlock = 4099;  // with a tail
  std::vector<float> block;
  for (std::uint64_t exponent = 0; exponent < 512; ++exponent) {
    for (const std::uint32_t mantissa : {0u, 1u, 0x2AAAABu, 0x400000u, 0x7FFFFEu, 0x7FFFFFu}) {
      block.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(exponent << 23) | mantissa));
    }
  }
  if (!visit(block) || !visit(ordinary_inputs(kBlock, seed))) return;
  if (!full) return;
  for (std::uint64_t pattern = 0; pattern >> 32 == 0;) {
    block.clear();
    for (; block.size() < kBlock && pattern >> 32 == 0; ++pattern) {
      block.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(pattern)));
    }
    if (!visit(block)) return;
  }
}

}  // namespace soma::conformance
