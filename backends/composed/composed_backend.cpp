#include "soma/kernels/composed_backend.hpp"

#include <algorithm>

#include "activation.hpp"
#include "shared.hpp"
#include "soma/sdk/ops/epilogue.hpp"

namespace soma::kernels {
namespace {

constexpr std::int64_t kGrain = 8192;  // elements that are worth a thread
constexpr int kMostOperands = 8;       // of a contraction

bool empty(const Op& op) {
  for (const auto* tensors : {&op.inputs, &op.outputs}) {
    for (const TensorInfo& t : *tensors) {
      if (t.shape.elements() == 0) return true;
    }
  }
  return false;
}

}  // namespace

void OwnLoops::run(int threads, std::int64_t n, std::int64_t grain, Body body) const {
  if (n <= 0) return;
  if (threads <= 1 || n <= grain) {
    const common::FloatEnvironment environment;
    return body(0, n);
  }
  backend_.parallel_for(
      threads, n, grain,
      [](void* argument, std::int64_t begin, std::int64_t end) {
        const common::FloatEnvironment environment;
        (*static_cast<const Body*>(argument))(begin, end);
      },
      &body);
}

ComposedKernel::ComposedKernel(const Op& op, const ComposedBackend::Shared& shared)
    : shared_(shared),
      canonical_(common::make_canonical_kernel(op, shared.loops)),
      inputs_(static_cast<int>(op.inputs.size())),
      outputs_(static_cast<int>(op.outputs.size())) {
  info_.exactness = shared.exactness;
  info_.implementation = "composed:" + shared.implementation;
  info_.workspace_bytes = canonical_->info().workspace_bytes;
  // Operands come as they are; what the canonical kernel would have packed goes into the workspace.
  info_.workspace_bytes += (canonical_->info().pack_bytes + 63) / 64 * 64;
}

void ComposedKernel::need_workspace(std::int64_t floats) {
  info_.workspace_bytes =
      std::max(info_.workspace_bytes, static_cast<std::size_t>(floats) * sizeof(float));
}

void ComposedKernel::execute(const sdk::Exec& exec) const {
  const common::FloatEnvironment environment;
  if (can_multiply(exec)) return compute(exec);
  const void* inputs[kMostOperands] = {};
  void* outputs[kMostOperands] = {};
  for (int i = 0; i < inputs_; ++i) inputs[i] = exec.input<void>(i);
  for (int i = 0; i < outputs_; ++i) outputs[i] = exec.output<void>(i);
  const std::size_t pack_bytes = (canonical_->info().pack_bytes + 63) / 64 * 64;
  soma_exec inner{sizeof(soma_exec), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, exec.threads()};
  inner.inputs = inputs;
  inner.outputs = outputs;
  inner.workspace = exec.workspace<std::byte>() + pack_bytes;
  if (pack_bytes > 0) {
    inner.pack = exec.workspace();
    canonical_->pack(sdk::Exec(inner), exec.workspace());
  }
  canonical_->execute(sdk::Exec(inner));
}

Finish::Finish(const Op& op) {
  const auto epilogue = ops::Epilogue::from(op.attributes);
  const bool forward = op.direction() == "fwd";
  bias_ = forward ? epilogue.bias_input() : -1;
  residual_ = forward ? epilogue.residual_input() : -1;
  if (forward && !epilogue.activation.empty()) {
    activation_ = common::activation_forward(epilogue.activation);
  }
}

void Finish::run(const common::Parallel& loops, const sdk::Exec& exec, std::int64_t rows,
                 std::int64_t cols) const {
  if (!any()) return;
  const float* bias = bias_ < 0 ? nullptr : exec.input<float>(bias_);
  const float* residual = residual_ < 0 ? nullptr : exec.input<float>(residual_);
  auto* out = exec.output<float>(0);
  loops.run(exec.threads(), rows, std::max<std::int64_t>(1, kGrain / cols),
            [&](std::int64_t begin, std::int64_t end) {
              for (std::int64_t m = begin; m < end; ++m) {
                float* y = out + m * cols;
                for (std::int64_t n = 0; bias != nullptr && n < cols; ++n) y[n] += bias[n];
                for (std::int64_t n = 0; residual != nullptr && n < cols; ++n) {
                  y[n] += residual[m * cols + n];
                }
              }
              if (activation_ != nullptr) {
                activation_(out + begin * cols, out + begin * cols, (end - begin) * cols);
              }
            });
}

void put(const common::Parallel& loops, int threads, const float* x, float* to, std::int64_t n,
         bool accumulate) {
  loops.run(threads, n, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) to[i] = accumulate ? to[i] + x[i] : x[i];
  });
}

ComposedBackend::ComposedBackend(sdk::Exactness products, const char* implementation)
    : shared_(new Shared{*this, OwnLoops(*this), products, implementation}) {}

ComposedBackend::~ComposedBackend() = default;

std::span<const char* const> ComposedBackend::op_ids() { return common::canonical_op_ids(); }

std::unique_ptr<sdk::Kernel> ComposedBackend::prepare(const Op& op) {
  if (!empty(op)) {
    if (op.family() == "linear/1") return compose_linear(op, *shared_);
    if (op.family() == "matmul/1") return compose_matmul(op, *shared_);
    if (op.family() == "conv2d/1") return compose_conv2d(op, *shared_);
  }
  return common::make_canonical_kernel(op, shared_->loops);
}

}  // namespace soma::kernels
