#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bit_hash.hpp"
#include "files.hpp"
#include "kernel_record.hpp"
#include "replay.hpp"
#include "session.hpp"
#include "soma/transfer.hpp"
#include "training_run.hpp"
#include "wire.hpp"

using nlohmann::ordered_json;

namespace {

/// Stops the step after each kernel and does what it is told.
class LockstepObserver final : public soma::StepObserver {
 public:
  LockstepObserver(const Wire& wire, soma::Trainer& trainer, std::int64_t batch,
                   std::int64_t samples)
      : wire_(wire), trainer_(trainer), batch_(batch), samples_(samples) {}

  void before(const soma::StepKernel& kernel) override {
    // Outputs may take the place of inputs.
    inputs_.resize(kernel.inputs.size());
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      const auto bytes = bytes_of(kernel.inputs[i]);
      inputs_[i].assign(bytes.begin(), bytes.end());
    }
  }

  void after(const soma::StepKernel& kernel) override {
    BitHash hash;
    for (const soma::StepTensor& t : kernel.outputs) hash.add(bytes_of(t), t.type);
    wire_.say("kernel " + hash.hex());
    for (std::string line; std::getline(std::cin, line);) {
      if (line == "go") return;
      if (line.starts_with("give ")) give(kernel, line.substr(5));
      if (line.starts_with("take ")) take(kernel, line.substr(5));
    }
    _exit(0);  // nobody is there any more
  }

 private:
  using Bytes = std::span<const std::byte>;

  /// None for an operand that is left out.
  static Bytes bytes_of(const soma::StepTensor& tensor) {
    return tensor.bytes.data() == nullptr ? Bytes() : tensor.bytes;
  }

  static void write(std::ofstream& out, Bytes bytes) {
    out.write(reinterpret_cast<const char*>(bytes.data()),
              static_cast<std::streamsize>(bytes.size()));
  }

  void give(const soma::StepKernel& kernel, const std::string& file) const {
    const soma::Progress& at = trainer_.progress();
    const std::int64_t rows = std::min(batch_, samples_ - at.step_in_epoch * batch_);
    const auto kernels = trainer_.kernels(rows);
    const auto& report = kernels.at(kernel.number);
    KernelRecord record;
    record.step = kernel.step;
    record.epoch = at.epoch + 1;
    record.step_in_epoch = at.step_in_epoch + 1;
    record.number = static_cast<std::int64_t>(kernel.number) + 1;
    record.kernels = std::ssize(kernels);
    record.layer = kernel.layer;
    record.phase = name_of(kernel.phase);
    record.implementation = report.implementation;
    record.exact = report.exactness == soma::Exactness::exact;
    record.plugin = report.implementation.starts_with("plugin:");
    record.op = *kernel.op;
    std::ofstream out(file, std::ios::binary | std::ios::trunc);
    for (const auto& input : inputs_) write(out, input);
    for (const soma::StepTensor& t : kernel.outputs) write(out, bytes_of(t));
    out.close();
    if (!out) throw soma::StateError("cannot write " + file);
    wire_.say("gave " + record.to_json().dump());
  }

  /// The file is what another process gave; its outputs take the place of ours.
  void take(const soma::StepKernel& kernel, const std::string& file) const {
    const std::string numbers = read_file(file);
    std::size_t at = 0;
    for (const auto& input : inputs_) at += input.size();
    for (const soma::StepTensor& t : kernel.outputs) {
      const auto bytes = bytes_of(t);
      if (at + bytes.size() > numbers.size()) throw soma::StateError(file + " is too short");
      // The observer is shown the program's own memory, which nobody else uses now.
      std::memcpy(const_cast<std::byte*>(bytes.data()), numbers.data() + at, bytes.size());
      at += bytes.size();
    }
    wire_.say("took");
  }

  const Wire& wire_;
  soma::Trainer& trainer_;
  std::int64_t batch_, samples_;
  std::vector<std::vector<std::byte>> inputs_;  // of the kernel in hand, as they were before it
};

void do_job(const ReplayJob& job, const Wire& wire) {
  RunConfig config = job.config;
  config.threads = job.side.threads;
  soma::DataSplit data = soma::data::load(config.data);
  soma::Model model = soma::Model::from_json(config.architecture, "architecture");
  const soma::Backend backend =
      open_backend(job.side.backend, job.side.numerics, job.side.fallback);
  if (!config.habits.from.empty()) {
    soma::transfer_weights(load_trained(config.habits.from).model, model,
                           static_cast<std::uint64_t>(config.seed));
  }
  soma::TrainerOptions options = trainer_options(config);
  options.nan_check = soma::NanCheck::none;  // a NaN is a difference like any other
  soma::Trainer trainer(model, backend, options);
  const std::int64_t samples = data.train.size(), batch = std::min(config.batch, samples);
  config.fallback = job.side.fallback;
  const auto session = session_of(config, backend, trainer, samples);
  wire.say("ready " + ordered_json{{"backend", backend.name()},
                                   {"path", backend.path().string()},
                                   {"exact", session.exact}}
                          .dump());
  wire.say("start " + model.weights_sha256());

  LockstepObserver observer(wire, trainer, batch, samples);
  if (job.lockstep) trainer.observe(&observer);
  std::atomic<bool> stop = false;
  std::int64_t leg_end = 0;
  soma::FitOptions fit;
  fit.batch = config.batch;
  fit.accumulate = config.habits.accumulate;
  fit.augmentation = config.augmentation;
  fit.stop = &stop;
  // A schedule may look at the loss of the validation data; nothing else does.
  if (config.schedule.type == "plateau") {
    fit.validation = data.validation.size() > 0 ? &data.validation : &data.test;
  }
  fit.on_step = [&](const soma::Progress& at) {
    wire.say("step " + std::to_string(at.step));
    if (std::ranges::find(job.report_at, at.step) != job.report_at.end()) {
      wire.say("at " + ordered_json{{"step", at.step},
                                    {"loss", at.mean_loss},
                                    {"weights_sha256", model.weights_sha256()}}
                           .dump());
    }
    stop = at.step >= leg_end;
  };
  for (std::size_t i = 0; i < job.legs.size() && trainer.progress().step < job.until; ++i) {
    const bool last = i + 1 == job.legs.size();
    leg_end = last ? job.until : std::min(job.until, job.legs[i + 1].from_step);
    fit.epochs = job.legs[i].epochs;
    fit.steps = job.legs[i].steps;
    stop = false;
    trainer.fit(data.train, fit);
  }
  if (trainer.progress().step < job.until) {
    throw soma::StateError("training ended at step " + std::to_string(trainer.progress().step) +
                           " of " + std::to_string(job.until));
  }
  wire.say("end");
}

}  // namespace

int run_replay_child() {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would read the answer
  const Wire wire;
  std::string line;
  if (!std::getline(std::cin, line)) return 1;
  try {
    do_job(ReplayJob::from_json(line), wire);
  } catch (const std::exception& e) {
    std::string sentence = e.what();
    std::ranges::replace(sentence, '\n', ' ');
    wire.say("error " + sentence);
  }
  return 0;
}
