#include "soma/sdk/backend.hpp"

#include "kernels.hpp"
#include "tbb_parallel.hpp"

namespace soma::tbb_backend {

/// The canonical kernels over oneTBB. They are exact, so both numerics are the same.
class TbbBackend final : public sdk::Backend {
 public:
  static constexpr const char* kName = "tbb";
  static constexpr const char* kSummary =
      "own SIMD kernels over oneTBB, the same bits on any thread count";
  static constexpr const char* kRuntime = "tbb";
  static std::span<const char* const> op_ids() { return common::canonical_op_ids(); }
  explicit TbbBackend(sdk::Numerics) {}

  std::unique_ptr<sdk::Kernel> prepare(const Op& op) override {
    return common::make_canonical_kernel(op, parallel_);
  }
  void parallel_for(int threads, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                    void* argument) override {
    parallel_.run(threads, n, grain,
                  [=](std::int64_t begin, std::int64_t end) { fn(argument, begin, end); });
  }

 private:
  TbbParallel parallel_;
};

}  // namespace soma::tbb_backend

SOMA_EXPORT_BACKEND(soma::tbb_backend::TbbBackend)
