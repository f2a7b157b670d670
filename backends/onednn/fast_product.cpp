#include <omp.h>

#include <algorithm>

#include "elementwise.hpp"
#include "kernels.hpp"
#include "openmp.hpp"
#include "primitive.hpp"
#include "reductions.hpp"

namespace soma::onednn {
namespace {

using Tag = dnnl::memory::format_tag;

// The operand as oneDNN sees it: without the batch when there is one matrix, which opens faster
// implementations.
Layout operand(std::int64_t batch, std::int64_t rows, std::int64_t cols, bool transposed) {
  if (batch == 1) return layout({rows, cols}, transposed ? Tag::ba : Tag::ab);
  return layout({batch, rows, cols}, transposed ? Tag::acb : Tag::abc);
}

class FastProduct final : public sdk::Kernel {
 public:
  explicit FastProduct(const MatrixProduct& product)
      : product_(product),
        left_(operand(product.batch, product.rows, product.depth, product.left_transposed)),
        plain_right_(operand(product.batch, product.depth, product.cols, product.right_transposed)),
        right_(plain_right_),
        out_(operand(product.batch, product.rows, product.cols, false)),
        bias_(layout({1, product.cols}, Tag::ab)),
        base_team_(team_for(product.cost(), omp_get_max_threads())),
        plans_([this](int threads) { return make_plan(threads); }) {
    fuse_residual_ = product.epilogue.residual;
    if (fuse_residual_) {
      const TeamScope scope(base_team_);
      fuse_residual_ = worthwhile(describe(right_));
    }
    ops::Epilogue rest = product.epilogue;
    rest.residual &= !fuse_residual_;
    finish_ = Finish(rest, false);
    if (product.pack_right || reorder_pays()) choose_own_layout();
    const Plan* plan = plans_.at(base_team_);
    if (plan == nullptr) return;
    info_.exactness = sdk::Exactness::bounded;
    info_.implementation = plan->product->implementation();
    scratch_offset_ = reorders() ? (right_.get_size() + 63) / 64 * 64 : 0;
    info_.workspace_bytes = scratch_offset_ + plan->scratchpad_bytes();
    if (product.sum_left) {
      info_.workspace_bytes =
          std::max(info_.workspace_bytes, common::column_sums_bytes(product.depth, product.rows));
    }
    if (product.pack_right && plan->reorder) {
      info_.packed_inputs = 1u << product.right;
      info_.pack_bytes = right_.get_size();
    }
  }
  bool usable() const noexcept { return !info_.implementation.empty(); }

  void pack(const sdk::Exec& exec, void* pack) const override {
    const Team team(*this, exec.threads());
    const Primitive& reorder = *team.plan->reorder;
    reorder.execute({exec.input<float>(product_.right), pack},
                    workspace(nullptr, 0, reorder.scratchpad_bytes()));
  }

  void execute(const sdk::Exec& exec) const override {
    const Team team(*this, exec.threads());
    const Primitive& primitive = *team.plan->product;
    const float* left = exec.input<float>(product_.left);
    const void* right = info_.pack_bytes > 0 ? exec.pack() : exec.input<float>(product_.right);
    auto* out = exec.output<float>(0);
    std::byte* space = workspace(exec.workspace(), info_.workspace_bytes,
                                 scratch_offset_ + team.plan->scratchpad_bytes());
    void* scratch = space + scratch_offset_;
    if (reorders()) {
      team.plan->reorder->execute({right, space}, scratch);
      right = space;
    }
    const ops::Epilogue& epilogue = product_.epilogue;
    const float* bias = epilogue.bias ? exec.input<float>(epilogue.bias_input()) : nullptr;
    if (fuse_residual_) {
      const auto* residual = exec.input<float>(epilogue.residual_input());
      bias != nullptr ? primitive.execute({left, right, bias, out, residual}, scratch)
                      : primitive.execute({left, right, out, residual}, scratch);
    } else {
      bias != nullptr ? primitive.execute({left, right, bias, out}, scratch)
                      : primitive.execute({left, right, out}, scratch);
    }
    finish_.run(exec, team.threads, product_.batch * product_.rows, product_.cols);
    if (product_.sum_left) {
      common::column_sums(openmp(), team.threads, left, product_.depth, product_.rows,
                          product_.accumulate, exec.output<float>(1), exec.workspace<float>());
    }
  }

 private:
  struct Plan {
    std::unique_ptr<Primitive> product;
    std::unique_ptr<Primitive> reorder;  // of the right operand; null: the layouts agree
    std::size_t scratchpad_bytes() const {
      return std::max(product->scratchpad_bytes(), reorder ? reorder->scratchpad_bytes() : 0);
    }
  };
  // The threads of one call and what was prepared for them.
  struct Team {
    Team(const FastProduct& kernel, int asked)
        : threads(team_for(kernel.product_.cost(), asked)),
          scope(threads),
          plan(kernel.plans_.at(threads)) {
      // A thread count that no implementation takes with these layouts runs as prepared.
      if (plan == nullptr) plan = kernel.plans_.at(kernel.base_team_);
    }
    int threads;
    TeamScope scope;
    const Plan* plan;
  };

  dnnl::matmul::primitive_desc describe(const Layout& right) const {
    dnnl::post_ops after;
    if (product_.accumulate) after.append_sum();
    if (fuse_residual_) after.append_binary(dnnl::algorithm::binary_add, out_);
    return describe_matmul(left_, right, product_.epilogue.bias ? &bias_ : nullptr, out_,
                           attributes(after));
  }
  // A right operand in the library's own layout saves up to a tenth of a product's time; to make it
  // takes as long as some rows of the product do.
  bool reorder_pays() const {
    constexpr std::int64_t kRows = 256, kElements = 1024 * 1024;
    return product_.batch == 1 && product_.rows >= kRows &&
           product_.depth * product_.cols >= kElements;
  }
  // Whether each execution reorders the right operand, into the workspace.
  bool reorders() const { return !product_.pack_right && right_ != plain_right_; }
  void choose_own_layout() {
    const TeamScope scope(base_team_);
    const auto any = product_.batch == 1
                         ? layout({product_.depth, product_.cols}, Tag::any)
                         : layout({product_.batch, product_.depth, product_.cols}, Tag::any);
    const auto descriptor = describe(any);
    if (worthwhile(descriptor)) right_ = descriptor.weights_desc();
  }
  std::unique_ptr<Plan> make_plan(int threads) const {
    const TeamScope scope(threads);
    const auto descriptor = describe(right_);
    if (!worthwhile(descriptor)) return nullptr;
    auto plan = std::make_unique<Plan>();
    const Argument left{DNNL_ARG_SRC, left_}, right{DNNL_ARG_WEIGHTS, right_},
        bias{DNNL_ARG_BIAS, bias_}, out{DNNL_ARG_DST, out_},
        residual{DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, out_};
    const auto create = [&](std::initializer_list<Argument> arguments) {
      plan->product = Primitive::create<dnnl::matmul>(descriptor, arguments);
    };
    if (fuse_residual_) {
      product_.epilogue.bias ? create({left, right, bias, out, residual})
                             : create({left, right, out, residual});
    } else {
      product_.epilogue.bias ? create({left, right, bias, out}) : create({left, right, out});
    }
    if (right_ != plain_right_) plan->reorder = make_reorder(plain_right_, right_);
    return plan;
  }

  MatrixProduct product_;
  bool fuse_residual_ = false;  // an operand of the primitive instead of a pass over its result
  Finish finish_;
  Layout left_, plain_right_, right_, out_, bias_;
  int base_team_;
  PerTeam<Plan> plans_;
  std::size_t scratch_offset_ = 0;  // in the workspace, behind the reordered operand
};

}  // namespace

KernelPtr make_fast_product(const MatrixProduct& product) {
  auto kernel = std::make_unique<FastProduct>(product);
  if (!kernel->usable()) return nullptr;
  return kernel;
}

}  // namespace soma::onednn
