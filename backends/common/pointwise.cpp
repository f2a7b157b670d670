#include "soma/sdk/ops/pointwise.hpp"

#include "kernel_base.hpp"
#include "large_output.hpp"

namespace soma::common {
namespace {

// Additions stream through memory: 64 KiB a piece.
constexpr std::int64_t kGrain = 16384;

class AddKernel final : public CanonicalKernel {
 public:
  AddKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel), n_(op.out(0).elements()), output_(n_) {}

 private:
  void compute(const sdk::Exec& exec) const override {
    const auto* a = exec.input<float>(0);
    const auto* b = exec.input<float>(1);
    auto* sum = exec.output<float>(0);
    parallel().run(exec.threads(), n_, kGrain, [&](std::int64_t i, std::int64_t end) {
      output_.transform([](Lanes x, Lanes y) { return x + y; }, sum + i, end - i, a + i, b + i);
    });
  }

  std::int64_t n_;
  LargeOutput output_;
};

KernelPtr make_add(const Op& op, const Parallel& parallel) {
  return std::make_unique<AddKernel>(op, parallel);
}

}  // namespace

std::span<const Entry> pointwise_kernels() {
  static constexpr Entry kEntries[] = {{ops::Add::kForward, &make_add}};
  return kEntries;
}

}  // namespace soma::common
