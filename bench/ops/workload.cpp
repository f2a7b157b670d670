#include "workload.hpp"

namespace soma::bench {

Workload workload_of(const std::string& model) {
  const Optimizer momentum = Sgd{.learning_rate = 0.01, .momentum = 0.9};
  if (model == kTinyModel) return {1, Adam{}};
  if (model == "mlp") return {128, Adam{}};
  if (model == "lenet5") return {64, momentum};
  if (model == "resnet20") return {32, momentum};
  if (model == "char-gpt") return {12, AdamW{.beta2 = 0.95, .weight_decay = 0.1}};
  return {};
}

}  // namespace soma::bench
