#include <omp.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "convolution.hpp"
#include "elementwise.hpp"
#include "fallback.hpp"
#include "kernels.hpp"
#include "openmp.hpp"
#include "primitive.hpp"

namespace soma::onednn {
namespace {

// Channels-last rows of a multiple of this many bytes fall on the same cache sets: on wide ones
// oneDNN 2.6's backward-weights then runs at 2/3 of the speed that it has on a blocked copy (3x3,
// 64 channels, 32x32: 9.5 against 6.2 ms, copying included; 128 channels, 16x16: 6.4 against 7.0).
constexpr std::int64_t kAliasingBytes = 8192, kAliasingWidth = 32;

bool wants_own_activations(const Op& op) {
  const Shape &x = op.in(0), &w = op.out(0);
  return w[1] * w[2] > 1 && x[2] >= kAliasingWidth && x[2] * x[3] * 4 % kAliasingBytes == 0;
}

// oneDNN#6035: 1x1, strided, channels last, fewer channels than a vector writes out of bounds on
// AVX2 in 2.x and 3.x. Remove when the oldest supported version has the fix.
bool corrupts_memory(const Op& op, const ops::Conv2d& conv) {
  const Shape &x = op.in(0), &w = op.out(0);
  return w[1] * w[2] == 1 && conv.window.stride_h * conv.window.stride_w > 1 && x[3] % 8 != 0;
}

// Backward-weights: oneDNN writes the gradient in a layout of its own; it is reordered to the plain
// one and, to accumulate, added. In bfloat16 both operands are rounded into the workspace, unless
// one cannot be: then the canonical kernel computes.
//
// oneDNN multiplies padding by grad_output in some of its kernels, and an Inf or NaN there spreads
// to taps that it does not touch. Every element of grad_output reaches its filter, so a gradient
// without Inf and NaN is a right one; any other is computed again by the canonical kernel.
class Conv2dWeightsKernel final : public sdk::Kernel {
 public:
  Conv2dWeightsKernel(const Op& op, Type type)
      : conv_(ops::Conv2d::from(op.attributes)),
        type_(type),
        shape_(op.in(0), op.out(0), op.in(1), conv_.groups),
        own_activations_(type == Type::f32 && wants_own_activations(op)),
        weights_(op.out(0).elements()),
        bias_(layout({shape_.channels_out()}, dnnl::memory::format_tag::x)),
        base_team_(team_for(shape_.work(), omp_get_max_threads())),
        plans_([this](int threads) { return make_plan(threads); }) {
    const Plan* plan = plans_.at(base_team_);
    if (plan == nullptr) return;
    fallback_.emplace(op);
    info_.exactness = sdk::Exactness::bounded;
    info_.implementation = plan->gradient->implementation();
    info_.workspace_bytes = plan->space.bytes();
  }
  bool usable() const noexcept { return !info_.implementation.empty(); }

  void execute(const sdk::Exec& exec) const override {
    const int threads = team_for(shape_.work(), exec.threads());
    const TeamScope scope(threads);
    const Plan* plan = plans_.at(threads);
    // A thread count that no implementation takes runs as prepared.
    if (plan == nullptr) plan = plans_.at(base_team_);
    std::byte* space = workspace(exec.workspace(), info_.workspace_bytes, plan->space.bytes());
    void* scratch = space + plan->scratch;
    const auto reordered = [&](const Reorder& reorder, const void* from) -> const void* {
      if (!reorder.primitive) return from;
      reorder.primitive->execute({from, space + reorder.offset}, scratch);
      return space + reorder.offset;
    };
    const void *input = nullptr, *grad = nullptr;
    if (type_ == Type::bf16) {
      const auto round = [&](int i, const Reorder& copy, std::int64_t n) {
        auto* to = reinterpret_cast<std::uint16_t*>(space + copy.offset);
        return std::isfinite(to_bf16(exec.input<float>(i), to, n, threads)) ? to : nullptr;
      };
      input = round(0, plan->input, shape_.inputs());
      if (input != nullptr) grad = round(1, plan->grad, shape_.outputs());
      if (grad == nullptr) return fallback_->execute(exec);
    } else {
      input = reordered(plan->input, exec.input<float>(0));
      grad = reordered(plan->grad, exec.input<float>(1));
    }

    // Straight to the outputs where the layouts agree and nothing is to be added.
    auto* weight_out = exec.output<float>(0);
    auto* weight = conv_.accumulate ? at(space, plan->weight_sum) : weight_out;
    void* own_weight =
        plan->weight.primitive ? space + plan->weight.offset : static_cast<void*>(weight);
    float* bias_out = conv_.epilogue.bias ? exec.output<float>(1) : nullptr;
    float* bias = conv_.accumulate ? at(space, plan->bias_sum) : bias_out;
    if (conv_.epilogue.bias) {
      plan->gradient->execute({input, grad, own_weight, bias}, scratch);
    } else {
      plan->gradient->execute({input, grad, own_weight}, scratch);
    }
    if (plan->weight.primitive) plan->weight.primitive->execute({own_weight, weight}, scratch);

    if (std::isinf(largest_magnitude(weight, weights_, threads))) {
      fallback_->execute(exec);
    } else if (conv_.accumulate) {
      add_to(weight_out, weight, weights_, threads);
      if (bias_out != nullptr) add_to(bias_out, bias, shape_.channels_out(), threads);
    }
  }

 private:
  struct Reorder {
    std::unique_ptr<Primitive> primitive;  // null: the layouts agree
    std::size_t offset = 0;                // of the private copy
  };
  struct Plan {
    std::unique_ptr<Primitive> gradient;
    Reorder input, grad, weight;
    std::size_t weight_sum = 0, bias_sum = 0, scratch = 0;  // offsets
    WorkspaceLayout space;
  };
  static float* at(std::byte* space, std::size_t offset) {
    return reinterpret_cast<float*>(space + offset);
  }

  dnnl::convolution_backward_weights::primitive_desc describe() const {
    Convolution problem = shape_.convolution(conv_.window, type_);
    if (conv_.epilogue.bias) problem.bias = &bias_;
    if (own_activations_) {
      problem.source = layout(shape_.input, dnnl::memory::format_tag::any);
      problem.destination = layout(shape_.output, dnnl::memory::format_tag::any);
    }
    const auto forward = describe_forward(problem, dnnl::prop_kind::forward_training, attributes());
    if (!available(forward)) return {};
    problem.weight = layout(shape_.weight, dnnl::memory::format_tag::any);
    return describe_backward_weights(problem, forward, attributes());
  }

  std::unique_ptr<Plan> make_plan(int threads) const {
    const TeamScope scope(threads);
    const auto descriptor = describe();
    if (!worthwhile(descriptor)) return nullptr;
    auto plan = std::make_unique<Plan>();
    const Argument source{DNNL_ARG_SRC, descriptor.src_desc()},
        destination{DNNL_ARG_DIFF_DST, descriptor.diff_dst_desc()},
        weight{DNNL_ARG_DIFF_WEIGHTS, descriptor.diff_weights_desc()};
    if (conv_.epilogue.bias) {
      plan->gradient = Primitive::create<dnnl::convolution_backward_weights>(
          descriptor, {source, destination, weight, {DNNL_ARG_DIFF_BIAS, bias_}});
    } else {
      plan->gradient = Primitive::create<dnnl::convolution_backward_weights>(
          descriptor, {source, destination, weight});
    }
    std::size_t scratch = plan->gradient->scratchpad_bytes();
    const auto add_reorder = [&](Reorder& reorder, const Layout& from, const Layout& to,
                                 const Layout& copy) {
      if (from == to) return;
      reorder.primitive = make_reorder(from, to);
      reorder.offset = plan->space.add(copy.get_size());
      scratch = std::max(scratch, reorder.primitive->scratchpad_bytes());
    };
    const Convolution plain = shape_.convolution(conv_.window);
    if (type_ == Type::bf16) {  // rounded instead, lying as they lie
      plan->input.offset = plan->space.add(source.layout.get_size());
      plan->grad.offset = plan->space.add(destination.layout.get_size());
    } else {
      add_reorder(plan->input, plain.source, source.layout, source.layout);
      add_reorder(plan->grad, plain.destination, destination.layout, destination.layout);
    }
    add_reorder(plan->weight, weight.layout, shape_.plain_weight(), weight.layout);
    if (conv_.accumulate) {
      plan->weight_sum = plan->space.add(static_cast<std::size_t>(weights_) * sizeof(float));
      plan->bias_sum = plan->space.add(bias_.get_size());
    }
    plan->scratch = plan->space.add(scratch);
    return plan;
  }

  ops::Conv2d conv_;
  Type type_;  // of what is multiplied
  ConvolutionShape shape_;
  bool own_activations_;
  std::int64_t weights_;
  Layout bias_;
  int base_team_;
  PerTeam<Plan> plans_;
  std::optional<Fallback> fallback_;
};

}  // namespace

KernelPtr make_conv2d_weights(const Op& op, Bf16 bf16) {
  if (op.in(0).elements() * op.in(1).elements() * op.out(0).elements() == 0) return nullptr;
  const ops::Conv2d conv = ops::Conv2d::from(op.attributes);
  if (corrupts_memory(op, conv)) return nullptr;
  const auto usable = [&](Type type) -> KernelPtr {
    auto kernel = std::make_unique<Conv2dWeightsKernel>(op, type);
    if (!kernel->usable()) return nullptr;
    return kernel;
  };
  const double work = ConvolutionShape(op.in(0), op.out(0), op.in(1), conv.groups).work();
  if (in_bf16(bf16, work, static_cast<double>(op.in(0).elements() + op.in(1).elements()))) {
    if (KernelPtr kernel = usable(Type::bf16)) return kernel;
  }
  return usable(Type::f32);
}

}  // namespace soma::onednn
