#include <algorithm>

#include "pool.hpp"
#include "soma/kernels/composed_backend.hpp"
#include "soma/sdk/math/lanes.hpp"

namespace {

using Lanes = soma::math::F32x8;

constexpr std::int64_t kBlock = 512;  // terms of a block of the canonical sum
constexpr std::int64_t kRows = 6, kCols = 16;
constexpr std::int64_t kRowsOfTask = 48;

/// C++ and std::thread, nothing else: a matrix product in canonical order and a parallel loop. All
/// other ops are the default compositions.
class Plain final : public soma::kernels::ComposedBackend {
 public:
  static constexpr const char* kName = "plain";
  static constexpr const char* kSummary = "plain C++ and std::thread, a minimal backend";
  static constexpr const char* kRuntime = "std::thread";

  explicit Plain(soma::sdk::Numerics) : ComposedBackend(soma::sdk::Exactness::exact, "plain") {}

  void parallel_for(int threads, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                    void* argument) override {
    pool_.run(threads, n, grain, fn, argument);
  }

  void multiply(const soma::kernels::MatrixProduct& p, int threads) const override {
    const std::int64_t across = (p.cols + kCols - 1) / kCols;
    const std::int64_t down = (p.rows + kRowsOfTask - 1) / kRowsOfTask;
    const auto task = [&](std::int64_t i) {
      const std::int64_t m = i / across * kRowsOfTask, n = i % across * kCols;
      panel(p, m, std::min(p.rows, m + kRowsOfTask), n);
    };
    const std::int64_t work = kRowsOfTask * kCols * p.depth;  // multiply-adds of a task
    const std::int64_t grain = std::max<std::int64_t>(1, (1 << 19) / work);
    pool_.run(
        threads, across * down, grain,
        [](void* argument, std::int64_t begin, std::int64_t end) {
          for (; begin < end; ++begin) (*static_cast<decltype(&task)>(argument))(begin);
        },
        const_cast<void*>(static_cast<const void*>(&task)));
  }

 private:
  /// Rows [first, last) of 16 columns from n on, block by block of terms: the columns' terms are
  /// laid out densely once, then six rows at a time run over them.
  static void panel(const soma::kernels::MatrixProduct& p, std::int64_t first, std::int64_t last,
                    std::int64_t n) {
    alignas(64) float terms[kBlock * kCols];
    const std::int64_t cols = std::min(kCols, p.cols - n);
    for (std::int64_t begin = 0; begin < p.depth; begin += kBlock) {
      const std::int64_t depth = std::min(kBlock, p.depth - begin);
      for (std::int64_t k = 0; k < depth; ++k) {
        const float* b = p.b + (begin + k) * p.b_step + n * p.b_col;
        float* to = terms + k * kCols;
        for (std::int64_t j = 0; j < kCols; ++j) to[j] = j < cols ? b[j * p.b_col] : 0.0f;
      }
      for (std::int64_t m = first; m < last; m += kRows) {
        tile(p, m, std::min(kRows, last - m), n, cols, begin, depth, terms);
      }
    }
  }

  /// The sums of one block for up to six rows, added to what the blocks before came to.
  static void tile(const soma::kernels::MatrixProduct& p, std::int64_t m, std::int64_t rows,
                   std::int64_t n, std::int64_t cols, std::int64_t begin, std::int64_t depth,
                   const float* terms) {
    const float* a[kRows];
    for (std::int64_t i = 0; i < kRows; ++i) {
      a[i] = p.a + (m + std::min(i, rows - 1)) * p.a_row + begin * p.a_step;
    }
    Lanes sum[kRows][2];
    for (auto& row : sum) row[0] = row[1] = Lanes(0);
    for (std::int64_t k = 0; k < depth; ++k) {
      const Lanes low = Lanes::load(terms + k * kCols), high = Lanes::load(terms + k * kCols + 8);
      for (std::int64_t i = 0; i < kRows; ++i) {
        const Lanes x(a[i][k * p.a_step]);
        sum[i][0] = fma(x, low, sum[i][0]);
        sum[i][1] = fma(x, high, sum[i][1]);
      }
    }
    for (std::int64_t i = 0; i < rows; ++i) {
      float* c = p.c + (m + i) * p.c_row + n;
      for (int half = 0; half < 2 && half * 8 < cols; ++half) {
        const std::int64_t left = std::min<std::int64_t>(8, cols - half * 8);
        const Lanes before = begin == 0 ? Lanes(0) : Lanes::load_partial(c + half * 8, left);
        Lanes(before + sum[i][half]).store_partial(c + half * 8, left);
      }
    }
  }

  mutable Pool pool_;
};

}  // namespace

SOMA_EXPORT_BACKEND(Plain)
