#include "elementwise.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <limits>

#include "../common/kernels.hpp"
#include "openmp.hpp"

namespace soma::onednn {
namespace {

constexpr std::int64_t kGrain = 16384;  // elements, 64 KiB
constexpr std::int64_t kTile = 2048;    // elements that stay in the first-level cache

// Without their sign, floats order like their bits, NaN above Inf.
constexpr std::uint32_t kMagnitude = 0x7FFFFFFF;

/// The largest of what `part` says of each part of [0, n), as bits of a magnitude.
template <class Part>
std::uint32_t largest_of(std::int64_t n, int threads, Part&& part) {
  std::atomic<std::uint32_t> all{0};
  openmp().run(threads, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    const std::uint32_t most = part(begin, end);
    std::uint32_t old = all.load();
    while (old < most && !all.compare_exchange_weak(old, most)) {
    }
  });
  return all.load();
}

}  // namespace

Finish::Finish(const ops::Epilogue& epilogue, bool with_bias)
    : bias_(with_bias ? epilogue.bias_input() : -1), residual_(epilogue.residual_input()) {
  if (!epilogue.activation.empty()) activation_ = common::canonical_activation(epilogue.activation);
}

void Finish::run(const sdk::Exec& exec, int threads, std::int64_t rows, std::int64_t cols) const {
  if (empty() || rows * cols == 0) return;
  const float* bias = bias_ >= 0 ? exec.input<float>(bias_) : nullptr;
  const float* residual = residual_ >= 0 ? exec.input<float>(residual_) : nullptr;
  auto* out = exec.output<float>(0);
  const std::int64_t tile_rows = std::max<std::int64_t>(1, kTile / cols);
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / cols);
  openmp().run(threads, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; row += tile_rows) {
      const std::int64_t count = std::min(tile_rows, end - row);
      float* tile = out + row * cols;
      if (bias != nullptr) {
        for (std::int64_t i = 0; i < count; ++i) {
          for (std::int64_t j = 0; j < cols; ++j) tile[i * cols + j] += bias[j];
        }
      }
      if (residual != nullptr) {
        const float* other = residual + row * cols;
        for (std::int64_t i = 0; i < count * cols; ++i) tile[i] += other[i];
      }
      if (activation_ != nullptr) activation_(tile, tile, count * cols);
    }
  });
}

void add_to(float* y, const float* x, std::int64_t n, int threads) {
  openmp().run(threads, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) y[i] += x[i];
  });
}

float largest_magnitude(const float* x, std::int64_t n, int threads) {
  constexpr auto kInfinity = std::bit_cast<std::uint32_t>(std::numeric_limits<float>::infinity());
  const std::uint32_t most = largest_of(n, threads, [&](std::int64_t i, std::int64_t end) {
    std::uint32_t part = 0;
    for (; i < end; ++i) part = std::max(part, std::bit_cast<std::uint32_t>(x[i]) & kMagnitude);
    return part;
  });
  return std::bit_cast<float>(std::min(most, kInfinity));
}

float to_bf16(const float* x, std::uint16_t* y, std::int64_t n, int threads) {
  const std::uint32_t most = largest_of(n, threads, [&](std::int64_t i, std::int64_t end) {
    std::uint32_t part = 0;
    for (; i < end; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(x[i]);
      part = std::max(part, bits & kMagnitude);
      y[i] = static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
    }
    return part;
  });
  // The first that rounds up to Inf lies half a step above the largest.
  constexpr std::uint32_t kFirstLost = 0x7F7F8000;
  return most < kFirstLost ? std::bit_cast<float>(most) : std::numeric_limits<float>::infinity();
}

}  // namespace soma::onednn
