#include <omp.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "elementwise.hpp"
#include "fallback.hpp"
#include "kernels.hpp"
#include "openmp.hpp"
#include "primitive.hpp"
#include "reductions.hpp"

namespace soma::onednn {
namespace {

using Tag = dnnl::memory::format_tag;

// The operand as oneDNN sees it: without the batch when there is one matrix, which opens faster
// implementations.
Layout operand(std::int64_t batch, std::int64_t rows, std::int64_t cols, bool transposed,
               Type type = Type::f32) {
  if (batch == 1) return layout({rows, cols}, transposed ? Tag::ba : Tag::ab, type);
  return layout({batch, rows, cols}, transposed ? Tag::acb : Tag::abc, type);
}

// Elements that are rounded per execution.
double rounded_elements(const MatrixProduct& p) {
  const std::int64_t right = p.pack_right ? 0 : p.depth * p.cols;
  return static_cast<double>(p.batch * (p.rows * p.depth + right));
}

// In bfloat16 both operands are rounded into the workspace, the right one of an inference into the
// pack. One that holds what bfloat16 cannot, Inf and NaN among it, is left to the canonical kernel.
class FastProduct final : public sdk::Kernel {
 public:
  FastProduct(const Op& op, const MatrixProduct& product, Type type)
      : product_(product),
        type_(type),
        left_(operand(product.batch, product.rows, product.depth, product.left_transposed, type)),
        plain_right_(operand(product.batch, product.depth, product.cols, product.right_transposed,
                             product.pack_right ? Type::f32 : type)),
        right_(operand(product.batch, product.depth, product.cols, product.right_transposed, type)),
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
    if (bf16()) fallback_.emplace(op);
    const Plan* plan = plans_.at(base_team_);
    if (plan == nullptr) return;
    info_.exactness = sdk::Exactness::bounded;
    info_.implementation = plan->product->implementation();
    if (bf16()) left_copy_ = space_.add(left_.get_size());
    if (reorders() || (bf16() && !product.pack_right)) right_copy_ = space_.add(right_.get_size());
    info_.workspace_bytes = space_.bytes() + plan->scratchpad_bytes();
    if (product.sum_left) {
      info_.workspace_bytes =
          std::max(info_.workspace_bytes, common::column_sums_bytes(product.depth, product.rows));
    }
    if (product.pack_right && plan->reorder) {
      info_.packed_inputs = 1u << product.right;
      WorkspaceLayout pack;
      pack.add(right_.get_size());
      if (bf16()) facts_ = pack.add(sizeof(float));
      info_.pack_bytes = pack.bytes();
    }
  }
  bool usable() const noexcept { return !info_.implementation.empty(); }

  void pack(const sdk::Exec& exec, void* pack) const override {
    const Team team(*this, exec.threads());
    const Primitive& reorder = *team.plan->reorder;
    const auto* right = exec.input<float>(product_.right);
    reorder.execute({right, pack}, workspace(nullptr, 0, reorder.scratchpad_bytes()));
    if (bf16()) {
      *reinterpret_cast<float*>(static_cast<std::byte*>(pack) + facts_) =
          largest_magnitude(right, right_elements(), team.threads);
    }
  }

  void execute(const sdk::Exec& exec) const override {
    const Team team(*this, exec.threads());
    const Primitive& primitive = *team.plan->product;
    const void* left = exec.input<float>(product_.left);
    const void* right = info_.pack_bytes > 0 ? exec.pack() : exec.input<float>(product_.right);
    auto* out = exec.output<float>(0);
    std::byte* space = workspace(exec.workspace(), info_.workspace_bytes,
                                 space_.bytes() + team.plan->scratchpad_bytes());
    void* scratch = space + space_.bytes();
    if (bf16()) {
      if (!round_operands(exec, space, team.threads)) return fallback_->execute(exec);
      left = space + left_copy_;
      if (!product_.pack_right) right = space + right_copy_;
    } else if (reorders()) {
      team.plan->reorder->execute({right, space + right_copy_}, scratch);
      right = space + right_copy_;
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
      common::column_sums(openmp(), team.threads, exec.input<float>(product_.left), product_.depth,
                          product_.rows, product_.accumulate, exec.output<float>(1),
                          exec.workspace<float>());
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

  bool bf16() const { return type_ == Type::bf16; }
  std::int64_t right_elements() const { return product_.batch * product_.depth * product_.cols; }
  // False if an operand cannot be rounded.
  bool round_operands(const sdk::Exec& exec, std::byte* space, int threads) const {
    const auto round = [&](int input, std::size_t offset, std::int64_t n) {
      auto* copy = reinterpret_cast<std::uint16_t*>(space + offset);
      return std::isfinite(to_bf16(exec.input<float>(input), copy, n, threads));
    };
    if (!round(product_.left, left_copy_, product_.batch * product_.rows * product_.depth)) {
      return false;
    }
    if (!product_.pack_right) return round(product_.right, right_copy_, right_elements());
    return *reinterpret_cast<const float*>(exec.pack<std::byte>() + facts_) <= kLargestBf16;
  }

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
    return !bf16() && product_.batch == 1 && product_.rows >= kRows &&
           product_.depth * product_.cols >= kElements;
  }
  // Whether each execution reorders the right operand, into the workspace.
  bool reorders() const { return !product_.pack_right && right_ != plain_right_; }
  void choose_own_layout() {
    const TeamScope scope(base_team_);
    const auto any = product_.batch == 1
                         ? layout({product_.depth, product_.cols}, Tag::any, type_)
                         : layout({product_.batch, product_.depth, product_.cols}, Tag::any, type_);
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
  Type type_;                   // of the operands
  bool fuse_residual_ = false;  // an operand of the primitive instead of a pass over its result
  Finish finish_;
  Layout left_, plain_right_, right_, out_, bias_;
  int base_team_;
  PerTeam<Plan> plans_;
  std::optional<Fallback> fallback_;
  WorkspaceLayout space_;  // copies of the operands; behind them the scratchpad
  std::size_t left_copy_ = 0, right_copy_ = 0;
  std::size_t facts_ = 0;  // of the pack: the largest magnitude
};

}  // namespace

KernelPtr make_fast_product(const Op& op, const MatrixProduct& product, Bf16 bf16) {
  const auto usable = [&](Type type) -> KernelPtr {
    auto kernel = std::make_unique<FastProduct>(op, product, type);
    if (!kernel->usable()) return nullptr;
    return kernel;
  };
  if (in_bf16(bf16, product.work(), rounded_elements(product))) {
    if (KernelPtr kernel = usable(Type::bf16)) return kernel;
  }
  if (KernelPtr kernel = make_turned_product(product)) return kernel;
  return usable(Type::f32);
}

}  // namespace soma::onednn
