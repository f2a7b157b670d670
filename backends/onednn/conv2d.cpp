#include "soma/sdk/ops/conv2d.hpp"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "convolution.hpp"
#include "elementwise.hpp"
#include "fallback.hpp"
#include "kernels.hpp"
#include "openmp.hpp"
#include "primitive.hpp"

namespace soma::onednn {
namespace {

constexpr std::int64_t kLanes = 16;  // of an AVX-512 vector

// What the pack tells about the weights it was made from.
struct alignas(64) WeightFacts {
  float reach;  // largest sum of |weight| over the taps of one filter; Inf if not finite
};

float reach_of(const float* weight, std::int64_t channels, std::int64_t taps) {
  float most = 0;
  for (std::int64_t k = 0; k < channels; ++k, weight += taps) {
    float lanes[kLanes] = {};
    std::int64_t t = 0;
    for (; t + kLanes <= taps; t += kLanes) {
      for (std::int64_t i = 0; i < kLanes; ++i) lanes[i] += std::abs(weight[t + i]);
    }
    for (; t < taps; ++t) lanes[0] += std::abs(weight[t]);
    float sum = 0;
    for (const float lane : lanes) sum += lane;
    if (!(sum <= most)) most = sum;  // a NaN too, and nothing replaces it
  }
  return std::isfinite(most) ? most : std::numeric_limits<float>::infinity();
}

ConvolutionShape shape_of(const Op& op, std::int64_t groups) {
  const bool backward = op.id == ops::Conv2d::kBackwardData;
  return {backward ? op.out(0) : op.in(0), op.in(1), backward ? op.in(0) : op.out(0), groups};
}

// What reads a single channel is not faster in bfloat16.
bool rounds(const Op& op, Bf16 when) {
  const ConvolutionShape shape = shape_of(op, ops::Conv2d::from(op.attributes).groups);
  const bool one_channel = op.id == ops::Conv2d::kForward && op.in(1)[3] == 1;
  if (one_channel && when == Bf16::where_it_pays) return false;
  return in_bf16(when, shape.work(), static_cast<double>(op.in(0).elements()));
}

// Forward and backward-data: activations as they lie, or rounded to bfloat16 into the workspace,
// weights reordered into the pack.
//
// oneDNN pads with zeros in some of its kernels, where Inf or NaN weights give NaN instead of
// skipping the tap: with such weights the canonical kernel computes. So it does where bfloat16
// cannot hold an operand.
class Conv2dKernel final : public sdk::Kernel {
 public:
  Conv2dKernel(const Op& op, Type type)
      : conv_(ops::Conv2d::from(op.attributes)),
        type_(type),
        backward_(op.id == ops::Conv2d::kBackwardData),
        shape_(shape_of(op, conv_.groups)),
        kind_(op.purpose == Purpose::train ? dnnl::prop_kind::forward_training
                                           : dnnl::prop_kind::forward_inference),
        finish_(conv_.epilogue, false),
        problem_(shape_.convolution(conv_.window, type)),
        bias_(layout({shape_.channels_out()}, dnnl::memory::format_tag::x)),
        base_team_(team_for(shape_.work(), omp_get_max_threads())),
        plans_([this](int threads) { return make_plan(threads); }),
        weight_count_(op.in(1).elements()) {
    Layout& out = backward_ ? problem_.source : problem_.destination;
    out = layout(backward_ ? shape_.input : shape_.output, dnnl::memory::format_tag::nhwc);
    if (conv_.epilogue.bias) problem_.bias = &bias_;
    fuse_relu_ = conv_.epilogue.activation == "relu" && !conv_.epilogue.residual &&
                 op.in(0).elements() <= op.out(0).elements();
    if (!choose_weight_layout()) return;
    const Plan* plan = plans_.at(base_team_);
    if (plan == nullptr) return;
    fallback_.emplace(op);
    info_.exactness = sdk::Exactness::bounded;
    info_.implementation = plan->primitive->implementation();
    info_.packed_inputs = 1u << 1;
    reads_behind_ = backward_ && op.out(0)[3] / conv_.groups % kLanes != 0;
    scratchpad_room_ = (plan->scratchpad_bytes() + 63) / 64 * 64;
    spill_bytes_ = static_cast<std::size_t>(op.out(0).elements()) * sizeof(float);
    const std::size_t spill = reads_behind_ ? spill_bytes_ + kLanes * sizeof(float) : 0;
    in_elements_ = op.in(0).elements();
    rounded_ = scratchpad_room_ + spill;
    if (bf16()) rounded_ = (rounded_ + 63) / 64 * 64;
    const auto copy_bytes = static_cast<std::size_t>(in_elements_) * sizeof(std::uint16_t);
    info_.workspace_bytes = rounded_ + (bf16() ? copy_bytes : 0);
    facts_offset_ = (weight_.get_size() + 63) / 64 * 64;
    info_.pack_bytes = facts_offset_ + sizeof(WeightFacts);
  }
  bool usable() const noexcept { return !info_.implementation.empty(); }

  void pack(const sdk::Exec& exec, void* pack) const override {
    const auto* weight = exec.input<float>(1);
    const std::int64_t channels = shape_.channels_out();
    float reach = reach_of(weight, channels, weight_count_ / channels);
    if (bf16() && reach > kLargestBf16) reach = std::numeric_limits<float>::infinity();
    reinterpret_cast<WeightFacts*>(static_cast<std::byte*>(pack) + facts_offset_)->reach = reach;
    if (std::isinf(reach)) return;
    const Team team(*this, exec.threads());
    const Primitive& reorder = *team.plan->pack;
    reorder.execute({weight, pack}, workspace(nullptr, 0, reorder.scratchpad_bytes()));
  }

  void execute(const sdk::Exec& exec) const override {
    const float reach =
        reinterpret_cast<const WeightFacts*>(exec.pack<std::byte>() + facts_offset_)->reach;
    if (std::isinf(reach)) return fallback_->execute(exec);
    const Team team(*this, exec.threads());
    const void* in = exec.input<float>(0);
    float most = 0;
    if (bf16()) {
      auto* copy = reinterpret_cast<std::uint16_t*>(exec.workspace<std::byte>() + rounded_);
      most = to_bf16(exec.input<float>(0), copy, in_elements_, team.threads);
      if (std::isinf(most)) return fallback_->execute(exec);
      in = copy;
    } else if (team.plan->with_relu) {
      most = largest_magnitude(exec.input<float>(0), in_elements_, team.threads);
    }
    const bool fused = team.plan->with_relu && stays_finite(exec, reach, most);
    const Primitive& primitive = fused ? *team.plan->with_relu : *team.plan->primitive;
    auto* out = exec.output<float>(0);
    void* scratch = workspace(exec.workspace(), scratchpad_room_, primitive.scratchpad_bytes());
    if (conv_.epilogue.bias) {
      primitive.execute({in, exec.pack(), exec.input<float>(conv_.epilogue.bias_input()), out},
                        scratch);
    } else if (reads_behind_) {
      std::byte* spill = exec.workspace<std::byte>() + scratchpad_room_;
      primitive.execute({in, exec.pack(), spill}, scratch);
      std::memcpy(out, spill, spill_bytes_);
    } else {
      primitive.execute({in, exec.pack(), out}, scratch);
    }
    if (!fused) {
      const Dims& y = shape_.output;
      finish_.run(exec, team.threads, y[0] * y[2] * y[3], y[1]);
    }
  }

 private:
  struct Plan {
    std::unique_ptr<Primitive> primitive, with_relu, pack;  // with_relu: where it may be fused
    std::size_t scratchpad_bytes() const {
      return std::max(primitive->scratchpad_bytes(), with_relu ? with_relu->scratchpad_bytes() : 0);
    }
  };
  // The threads of one call and what was prepared for them.
  struct Team {
    Team(const Conv2dKernel& kernel, int asked)
        : threads(team_for(kernel.shape_.work(), asked)),
          scope(threads),
          plan(kernel.plans_.at(threads)) {
      // A thread count that no implementation takes with these layouts runs as prepared.
      if (plan == nullptr) plan = kernel.plans_.at(kernel.base_team_);
    }
    int threads;
    TeamScope scope;
    const Plan* plan;
  };

  // oneDNN's relu makes 0 of NaN, so it is fused only where no NaN can arise: looking at the input
  // is cheaper than another pass over the output.
  bool stays_finite(const sdk::Exec& exec, float reach, double input) const {
    double bias = 0;
    if (conv_.epilogue.bias) {
      bias = largest_magnitude(exec.input<float>(conv_.epilogue.bias_input()),
                               shape_.channels_out(), 1);
    }
    return input * static_cast<double>(reach) + bias < 0.5 * std::numeric_limits<float>::max();
  }

  bool bf16() const { return type_ == Type::bf16; }
  Convolution with_weight(const Layout& weight) const {
    Convolution problem = problem_;
    problem.weight = weight;
    return problem;
  }
  dnnl::convolution_forward::primitive_desc describe(const Layout& weight,
                                                     const dnnl::post_ops& after = {}) const {
    const auto first = describe_forward(with_weight(weight), kind_, attributes(after));
    return shape_.input[1] == 1 && available(first) ? direct_or(first) : first;
  }
  // For images of one channel the library thinks of brgconv first, which is slower there than its
  // direct kernel over the same layout (LeNet's first layer: 0.86 against 0.70 ms, one thread).
  static dnnl::convolution_forward::primitive_desc direct_or(
      const dnnl::convolution_forward::primitive_desc& first) {
    auto descriptor = first;
    do {
      const std::string_view name = descriptor.impl_info_str();
      if (name.starts_with("jit:avx512")) return descriptor;
    } while (descriptor.next_impl());
    return first;
  }
  dnnl::convolution_backward_data::primitive_desc describe_data(const Layout& weight) const {
    const auto forward =  // a hint; its weights lie as they like
        describe_forward(shape_.convolution(conv_.window, type_), kind_, attributes());
    if (!available(forward)) return {};
    return describe_backward_data(with_weight(weight), forward, attributes());
  }
  bool choose_weight_layout() {
    const TeamScope scope(base_team_);
    const auto take = [&](const auto& descriptor) {
      if (!worthwhile(descriptor)) return false;
      weight_ = descriptor.weights_desc();
      return true;
    };
    return backward_ ? take(describe_data(problem_.weight)) : take(describe(problem_.weight));
  }
  std::unique_ptr<Plan> make_plan(int threads) const {
    const TeamScope scope(threads);
    auto plan = std::make_unique<Plan>();
    plan->pack = make_reorder(shape_.plain_weight(), weight_);
    if (backward_) {
      const auto descriptor = describe_data(weight_);
      if (!worthwhile(descriptor)) return nullptr;
      plan->primitive = Primitive::create<dnnl::convolution_backward_data>(
          descriptor, {{DNNL_ARG_DIFF_DST, problem_.destination},
                       {DNNL_ARG_WEIGHTS, weight_},
                       {DNNL_ARG_DIFF_SRC, problem_.source}});
      return plan;
    }
    plan->primitive = forward_primitive({});
    if (!plan->primitive) return nullptr;
    if (fuse_relu_) {
      dnnl::post_ops relu;
      append_eltwise(relu, dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
      plan->with_relu = forward_primitive(relu);
    }
    return plan;
  }
  std::unique_ptr<Primitive> forward_primitive(const dnnl::post_ops& after) const {
    const auto descriptor = describe(weight_, after);
    if (!worthwhile(descriptor)) return nullptr;
    const Argument in{DNNL_ARG_SRC, problem_.source}, weight{DNNL_ARG_WEIGHTS, weight_},
        out{DNNL_ARG_DST, problem_.destination};
    if (problem_.bias == nullptr) {
      return Primitive::create<dnnl::convolution_forward>(descriptor, {in, weight, out});
    }
    return Primitive::create<dnnl::convolution_forward>(descriptor,
                                                        {in, weight, {DNNL_ARG_BIAS, bias_}, out});
  }

  ops::Conv2d conv_;
  Type type_;  // of what is multiplied
  bool backward_;
  ConvolutionShape shape_;
  dnnl::prop_kind kind_;
  Finish finish_;
  Convolution problem_;
  Layout bias_, weight_;
  int base_team_;
  PerTeam<Plan> plans_;
  std::int64_t weight_count_;
  bool fuse_relu_ = false;
  std::size_t facts_offset_ = 0;
  // Backward-data that goes over the output channels in blocks reads its own sums back in whole
  // vectors of 16 channels, past the end of the last pixel if that has fewer (oneDNN 2.6,
  // jit:avx512_core): it writes into the workspace, which has room behind.
  bool reads_behind_ = false;
  std::size_t scratchpad_room_ = 0, spill_bytes_ = 0;
  std::int64_t in_elements_ = 0;
  std::size_t rounded_ = 0;  // in the workspace: the activations in bfloat16
  std::optional<Fallback> fallback_;
};

}  // namespace

KernelPtr make_conv2d(const Op& op, Bf16 bf16) {
  if (op.in(0).elements() * op.in(1).elements() * op.out(0).elements() == 0) return nullptr;
  const auto usable = [&](Type type) -> KernelPtr {
    auto kernel = std::make_unique<Conv2dKernel>(op, type);
    if (!kernel->usable()) return nullptr;
    return kernel;
  };
  if (rounds(op, bf16)) {
    if (KernelPtr kernel = usable(Type::bf16)) return kernel;
  }
  return usable(Type::f32);
}

}  // namespace soma::onednn
