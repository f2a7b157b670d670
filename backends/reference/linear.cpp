#include "soma/sdk/ops/linear.hpp"

#include "contract.hpp"
#include "epilogue.hpp"
#include "kernels.hpp"
#include "reductions.hpp"

namespace soma::reference {
namespace {

// Letters as in the header: M rows, K inputs, N outputs.

template <class T>
class LinearForward final : public LoopKernel<T> {
 public:
  explicit LinearForward(const Op& op)
      : m_(op.in(0)[0]),
        k_(op.in(0)[1]),
        n_(op.in(1)[0]),
        epilogue_(ops::Linear::from(op.attributes).epilogue) {}

 private:
  void run(const sdk::Exec& exec) const override {
    T* output = exec.output<T>(0);
    contract<T>(m_, n_, k_, {exec.input<T>(0), k_, 1}, {exec.input<T>(1), 1, k_}, output);
    epilogue_.apply(exec, m_, n_, output);
  }
  std::int64_t m_, k_, n_;
  EpilogueLoops<T> epilogue_;
};

template <class T>
class LinearBackwardData final : public LoopKernel<T> {
 public:
  explicit LinearBackwardData(const Op& op) : m_(op.in(0)[0]), k_(op.in(1)[1]), n_(op.in(1)[0]) {}

 private:
  void run(const sdk::Exec& exec) const override {
    contract<T>(m_, k_, n_, {exec.input<T>(0), n_, 1}, {exec.input<T>(1), k_, 1},
                exec.output<T>(0));
  }
  std::int64_t m_, k_, n_;
};

template <class T>
class LinearBackwardWeights final : public LoopKernel<T> {
 public:
  explicit LinearBackwardWeights(const Op& op)
      : m_(op.in(0)[0]), k_(op.in(0)[1]), n_(op.in(1)[1]), op_(ops::Linear::from(op.attributes)) {
    if (op_.accumulate) this->info_.workspace_bytes = sizeof(T) * op.out(0).elements();
  }

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_output = exec.input<T>(1);
    T* grad_weight = exec.output<T>(0);
    T* totals = op_.accumulate ? exec.workspace<T>() : grad_weight;
    contract<T>(n_, k_, m_, {grad_output, 1, n_}, {exec.input<T>(0), k_, 1}, totals);
    if (op_.accumulate) {
      for (std::int64_t i = 0; i < n_ * k_; ++i) grad_weight[i] += totals[i];
    }
    if (op_.epilogue.bias) {
      column_sums(grad_output, m_, n_, op_.accumulate, exec.output<T>(1));
    }
  }
  std::int64_t m_, k_, n_;
  ops::Linear op_;
};

}  // namespace

std::span<const Entry> linear_kernels() {
  static const Entry entries[] = {entry<LinearForward>(ops::Linear::kForward),
                                  entry<LinearBackwardData>(ops::Linear::kBackwardData),
                                  entry<LinearBackwardWeights>(ops::Linear::kBackwardWeights)};
  return entries;
}

}  // namespace soma::reference
