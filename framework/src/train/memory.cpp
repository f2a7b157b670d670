#include "train/trainer_state.hpp"

namespace soma {
namespace {

std::size_t bytes_of(const Program& program) {
  return program.arena_bytes() + program.pack_bytes();
}

}  // namespace

Trainer::MemoryPlan Trainer::memory(std::int64_t batch, std::int64_t evaluation_batch) {
  State& s = *state_;
  MemoryPlan plan;
  const auto& parameters = s.model.parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    plan.parameters += parameters[i].value.size_bytes();
    if (parameters[i].trainable) plan.gradients += parameters[i].value.size_bytes();
    for (const Tensor& slot : s.optimizer.slots[i]) plan.optimizer += slot.size_bytes();
  }
  const Program& step = *s.training_program(batch).program;
  plan.step = bytes_of(step);
  plan.evaluation = bytes_of(*s.evaluation_program(evaluation_batch).program);
  constexpr std::size_t kSlots = 2;  // of BatchReader
  const auto add_batch = [&](int value) {
    const TensorInfo& info = step.graph().values[static_cast<std::size_t>(value)].info;
    plan.batches +=
        kSlots * static_cast<std::size_t>(info.shape.elements()) * size_bytes(info.dtype);
  };
  for (const int value : step.graph().inputs) add_batch(value);
  for (const Graph::LossInfo& loss : step.graph().losses) add_batch(loss.targets);
  return plan;
}

}  // namespace soma
