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
  // Without their sign, floats order like their bits, NaN above Inf.
  constexpr auto kInfinity = std::bit_cast<std::uint32_t>(std::numeric_limits<float>::infinity());
  std::atomic<std::uint32_t> all{0};
  openmp().run(threads, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    std::uint32_t most = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      most = std::max(most, std::bit_cast<std::uint32_t>(x[i]) & 0x7FFFFFFFu);
    }
    std::uint32_t old = all.load();
    while (old < most && !all.compare_exchange_weak(old, most)) {
    }
  });
  return std::bit_cast<float>(std::min(all.load(), kInfinity));
}

}  // namespace soma::onednn
