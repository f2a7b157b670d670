#include <algorithm>

#include "program/plugin_step.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/sums.hpp"

namespace soma {
namespace {

/// Elements per piece: enough to outweigh waking a thread.
constexpr std::int64_t kGrain = 8192;
constexpr std::size_t kMostParameters = 16;

const float* floats(const void* p) { return static_cast<const float*>(p); }

/// Without learnable numbers.
class Plain final : public PluginStep {
 public:
  explicit Plain(const Graph::Node& node)
      : table_(*find_activation_plugin(node.plugin)),
        n_(node.op.in(0).elements()),
        forward_(node.op.direction() == "fwd") {}

  void run(const Run& run) const override {
    const float* x = floats(run.inputs[0]);
    auto* to = static_cast<float*>(run.outputs[0]);
    run.each(n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      if (forward_) {
        table_.forward_f32(x + begin, to + begin, end - begin);
      } else {
        table_.backward_f32(x + begin, floats(run.inputs[1]) + begin, to + begin, end - begin);
      }
    });
  }

 private:
  const soma_activation& table_;
  std::int64_t n_;
  bool forward_;
};

/// With learnable numbers, which come one by one.
class Parametric : public PluginStep {
 protected:
  Parametric(const Graph::Node& node, std::size_t first)
      : table_(*find_activation_plugin(node.plugin)),
        n_(node.op.in(0).elements()),
        count_(static_cast<std::size_t>(table_.parameter_count)),
        first_(first) {}

  struct Numbers {
    float p[kMostParameters];
  };
  Numbers numbers(const Run& run) const {
    Numbers all{};
    for (std::size_t k = 0; k < count_; ++k) all.p[k] = *floats(run.inputs[first_ + k]);
    return all;
  }

  const soma_activation& table_;
  std::int64_t n_;
  std::size_t count_, first_;
};

class ParametricForward final : public Parametric {
 public:
  explicit ParametricForward(const Graph::Node& node) : Parametric(node, 1) {}
  void run(const Run& run) const override {
    const Numbers numbers = this->numbers(run);
    const float* x = floats(run.inputs[0]);
    auto* y = static_cast<float*>(run.outputs[0]);
    run.each(n_, kGrain, [&](std::int64_t begin, std::int64_t end) {
      table_.forward_with_f32(numbers.p, x + begin, y + begin, end - begin);
    });
  }
};

/// Block by block of the canonical sum: the terms of each number, summed, and grad_x.
class ParametricBackward final : public Parametric {
 public:
  explicit ParametricBackward(const Graph::Node& node) : Parametric(node, 2) {
    blocks_ = (n_ + sdk::kSumBlock - 1) / sdk::kSumBlock;
    workspace_bytes_ = static_cast<std::size_t>(blocks_) * count_ * sizeof(float);
  }
  void run(const Run& run) const override {
    const Numbers numbers = this->numbers(run);
    const float *x = floats(run.inputs[0]), *grad_y = floats(run.inputs[1]);
    auto *grad_x = static_cast<float*>(run.outputs[0]), *sums = static_cast<float*>(run.workspace);
    const auto count = static_cast<std::int64_t>(count_);
    run.each(blocks_, kGrain / sdk::kSumBlock, [&](std::int64_t first, std::int64_t last) {
      float terms[sdk::kSumBlock];
      for (std::int64_t block = first; block < last; ++block) {
        const std::int64_t begin = block * sdk::kSumBlock, n = std::min(sdk::kSumBlock, n_ - begin);
        for (std::int64_t k = 0; k < count; ++k) {
          table_.terms_f32(numbers.p, static_cast<std::int32_t>(k), x + begin, grad_y + begin,
                           terms, n);
          sums[block * count + k] = sdk::sum<float>(n, [&](std::int64_t i) { return terms[i]; });
        }
        table_.backward_with_f32(numbers.p, x + begin, grad_y + begin, grad_x + begin, n);
      }
    });
    for (std::int64_t k = 0; k < count; ++k) {
      float total = 0;
      for (std::int64_t block = 0; block < blocks_; ++block) total += sums[block * count + k];
      *static_cast<float*>(run.outputs[1 + k]) = total;
    }
  }

 private:
  std::int64_t blocks_;
};

}  // namespace

std::unique_ptr<const PluginStep> activation_step(const Graph::Node& node) {
  if (find_activation_plugin(node.plugin)->parameter_count <= 0)
    return std::make_unique<Plain>(node);
  if (node.op.direction() == "fwd") return std::make_unique<ParametricForward>(node);
  return std::make_unique<ParametricBackward>(node);
}

}  // namespace soma
