#pragma once

#include <cmath>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "soma/observer.hpp"
#include "soma/trainer.hpp"

namespace lab {

/// Keeps copies of the tensors of a step whose names a filter takes: "fc1.output", "gradient of
/// fc1.weight". Where a tensor is changed in place its last state is kept.
class Watch final : public soma::StepObserver {
 public:
  explicit Watch(std::function<bool(std::string_view)> wanted) : wanted_(std::move(wanted)) {}

  void after(const soma::StepKernel& kernel) override {
    if (kernel.phase == soma::KernelTime::Phase::update) return;
    for (const soma::StepTensor& t : kernel.outputs) {
      if (t.type != soma::DType::f32 || !wanted_(t.name)) continue;
      const auto values = t.floats();
      seen_[std::string(t.name)].assign(values.begin(), values.end());
    }
  }
  /// Empty if there was none of that name.
  const std::vector<float>& of(const std::string& name) const {
    static const std::vector<float> kNothing;
    const auto found = seen_.find(name);
    return found == seen_.end() ? kNothing : found->second;
  }
  const std::map<std::string, std::vector<float>>& all() const { return seen_; }

 private:
  std::function<bool(std::string_view)> wanted_;
  std::map<std::string, std::vector<float>> seen_;
};

inline double norm(const std::vector<float>& values) {
  double sum = 0;
  for (const float v : values) sum += double{v} * v;
  return std::sqrt(sum);
}

inline double mean_square(const std::vector<float>& values) {
  return values.empty() ? 0 : norm(values) * norm(values) / static_cast<double>(values.size());
}

/// Takes the gradients of all parameters and nothing else.
inline Watch gradients() {
  return Watch([](std::string_view name) { return name.starts_with("gradient of "); });
}

/// One step on a batch, watched.
inline double watched_step(soma::Trainer& trainer, Watch& watch, const soma::TensorView& inputs,
                           const soma::TensorView& targets) {
  trainer.observe(&watch);
  const double loss = trainer.step(inputs, targets);
  trainer.observe(nullptr);
  return loss;
}

}  // namespace lab
