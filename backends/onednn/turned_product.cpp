#include <omp.h>

#include "elementwise.hpp"
#include "kernels.hpp"
#include "openmp.hpp"
#include "primitive.hpp"

namespace soma::onednn {
namespace {

using Tag = dnnl::memory::format_tag;

// transpose(right) [cols,depth] * transpose(left) [depth,rows], and its result turned: of weights
// that lie along depth and change with every step the library copies only pieces that way, where
// as a right operand it would copy and turn them all.
class TurnedProduct final : public sdk::Kernel {
 public:
  explicit TurnedProduct(const MatrixProduct& product)
      : product_(product),
        finish_(product.epilogue, true),
        left_(layout({product.cols, product.depth}, Tag::ab)),
        right_(layout({product.depth, product.rows}, Tag::ba)),
        turned_(layout({product.cols, product.rows}, Tag::ab)),
        out_(layout({product.cols, product.rows}, Tag::ba)),
        base_team_(team_for(product.cost(), omp_get_max_threads())),
        plans_([this](int threads) { return make_plan(threads); }) {
    const Plan* plan = plans_.at(base_team_);
    if (plan == nullptr) return;
    info_.exactness = sdk::Exactness::bounded;
    info_.implementation = plan->product->implementation();
    sums_ = space_.add(turned_.get_size());
    info_.workspace_bytes = space_.bytes() + plan->scratchpad_bytes();
  }
  bool usable() const noexcept { return !info_.implementation.empty(); }

  void execute(const sdk::Exec& exec) const override {
    const int threads = team_for(product_.cost(), exec.threads());
    const TeamScope scope(threads);
    const Plan* plan = plans_.at(threads);
    // A thread count that no implementation takes with these layouts runs as prepared.
    if (plan == nullptr) plan = plans_.at(base_team_);
    std::byte* space = workspace(exec.workspace(), info_.workspace_bytes,
                                 space_.bytes() + plan->scratchpad_bytes());
    void* scratch = space + space_.bytes();
    plan->product->execute(
        {exec.input<float>(product_.right), exec.input<float>(product_.left), space + sums_},
        scratch);
    plan->turn->execute({space + sums_, exec.output<float>(0)}, scratch);
    finish_.run(exec, threads, product_.rows, product_.cols);
  }

 private:
  struct Plan {
    std::unique_ptr<Primitive> product, turn;
    std::size_t scratchpad_bytes() const {
      return std::max(product->scratchpad_bytes(), turn->scratchpad_bytes());
    }
  };
  std::unique_ptr<Plan> make_plan(int threads) const {
    const TeamScope scope(threads);
    const auto descriptor = describe_matmul(left_, right_, nullptr, turned_, attributes());
    if (!worthwhile(descriptor)) return nullptr;
    auto plan = std::make_unique<Plan>();
    plan->product = Primitive::create<dnnl::matmul>(
        descriptor, {{DNNL_ARG_SRC, left_}, {DNNL_ARG_WEIGHTS, right_}, {DNNL_ARG_DST, turned_}});
    plan->turn = make_reorder(turned_, out_);
    return plan;
  }

  MatrixProduct product_;
  Finish finish_;
  Layout left_, right_, turned_, out_;
  int base_team_;
  PerTeam<Plan> plans_;
  WorkspaceLayout space_;
  std::size_t sums_ = 0;
};

// Few rows, for which a large right operand would be turned.
bool pays(const MatrixProduct& p) {
  constexpr std::int64_t kRows = 128, kElements = 1024 * 1024;
  return p.batch == 1 && p.right_transposed && !p.left_transposed && !p.pack_right &&
         !p.accumulate && p.rows <= kRows && p.cols >= 4 * p.rows && p.cols * p.depth >= kElements;
}

}  // namespace

KernelPtr make_turned_product(const MatrixProduct& product) {
  if (!pays(product)) return nullptr;
  auto kernel = std::make_unique<TurnedProduct>(product);
  if (!kernel->usable()) return nullptr;
  return kernel;
}

}  // namespace soma::onednn
