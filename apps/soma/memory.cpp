#include "memory.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "step_probe.hpp"

namespace {

constexpr std::int64_t kEvaluationBatch = 256;  // of Trainer::evaluate

/// A line of /proc/self/status, "VmHWM:  1234 kB".
std::size_t status_bytes(const std::string& key) {
  std::ifstream in("/proc/self/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key)) return std::stoull(line.substr(key.size())) * 1024;
  }
  return 0;
}

/// Sizes of the batches that so many samples are cut into: whole ones, and what is left.
std::pair<std::int64_t, std::int64_t> batches_of(std::int64_t samples, std::int64_t batch) {
  const std::int64_t whole = std::min(batch, samples);
  return {whole, samples % whole};
}

/// How much more a step takes that `soma train` looks at for the report: its program keeps every
/// layer's tensors apart. It takes the place of the other one for that step.
std::size_t observed_bytes(soma::Trainer& trainer, const soma::Model& model,
                           const MemoryNeeds& needs) {
  StepProbe probe(model);
  const std::size_t usual = trainer.memory(needs.batch, needs.inference_batch).step;
  trainer.observe(&probe);
  const std::size_t observed = trainer.memory(needs.batch, needs.inference_batch).step;
  trainer.observe(nullptr);
  trainer.memory(needs.batch, needs.inference_batch);  // the usual program is back
  return observed - std::min(observed, usual);
}

}  // namespace

std::size_t resident_bytes() { return status_bytes("VmRSS:"); }
std::size_t peak_resident_bytes() { return status_bytes("VmHWM:"); }

std::string bytes_text(std::size_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f MiB", static_cast<double>(bytes) / (1 << 20));
  return text;
}

MeasuredData::MeasuredData(const std::string& spec) {
  const std::size_t before = resident_bytes();
  split = soma::data::load(spec);
  const std::size_t now = resident_bytes();
  bytes = now - std::min(before, now);
  loading_peak = peak_resident_bytes();
}

MemoryNeeds memory_needs(soma::Model& model, const soma::Backend& backend,
                         const soma::Optimizer& optimizer, std::int64_t batch,
                         std::int64_t inference_batch, const MeasuredData* data) {
  MemoryNeeds needs{.inference_batch = inference_batch, .batch = batch};
  soma::Trainer trainer(model, backend, {.optimizer = optimizer});
  if (data == nullptr) {
    needs.training = trainer.memory(batch, inference_batch);
    needs.inference = needs.training.evaluation;
    needs.training.evaluation = 0;
  } else {
    const auto& [train, test, validation] = data->split;
    const soma::Dataset& watched = validation.size() > 0 ? validation : test;
    const auto step = batches_of(train.size(), batch);
    needs.batch = step.first;
    const auto evaluated = batches_of(watched.size(), kEvaluationBatch);
    needs.training = trainer.memory(step.first, evaluated.first);
    // Each size of a batch has a program of its own, which stays.
    if (step.second > 0) needs.training.step += trainer.memory(step.second, evaluated.first).step;
    if (evaluated.second > 0) {
      needs.training.evaluation += trainer.memory(step.first, evaluated.second).evaluation;
    }
  }
  const std::size_t observed = data == nullptr ? 0 : observed_bytes(trainer, model, needs);
  const auto& plan = needs.training;
  needs.training_total =
      plan.parameters + plan.optimizer + plan.step + plan.evaluation + plan.batches;
  if (data == nullptr) return needs;
  // All of that but the batches is in memory now.
  const std::size_t planned = needs.training_total - plan.batches + data->bytes;
  const std::size_t now = resident_bytes();
  MemoryNeeds::Process process{.data = data->bytes, .loading = data->loading_peak};
  process.own = now - std::min(planned, now);
  process.checkpoint = plan.parameters + plan.optimizer;
  process.peak = std::max(process.loading, process.own + process.data + needs.training_total +
                                               observed + process.checkpoint);
  needs.process = process;
  needs.inference = trainer.memory(needs.batch, inference_batch).evaluation;
  return needs;
}
