#include "backend_run.hpp"
#include "soma/layers.hpp"
#include "soma/random_step.hpp"
#include "workload.hpp"

namespace soma::bench {

const char* name_of(Mode mode) noexcept { return mode == Mode::train ? "train" : "infer"; }

namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

Breakdown break_down(RandomStep& step) {
  constexpr int kSteps = 7;
  std::vector<double> total, kernels, packs;
  Breakdown breakdown;
  for (int i = 0; i < kSteps; ++i) {
    const StepTimes times = step.timed_run();
    double in_kernels = 0, in_packs = 0;
    breakdown.work.clear();
    for (const KernelTime& k : times.kernels) {
      (k.pack ? in_packs : in_kernels) += k.duration_us;
      if (!k.pack) breakdown.work.emplace_back(k.flops, k.bytes);
    }
    total.push_back(times.total_us / 1e3);
    kernels.push_back(in_kernels / 1e3);
    packs.push_back(in_packs / 1e3);
  }
  breakdown.total_ms = median(std::move(total));
  breakdown.kernels_ms = median(std::move(kernels));
  breakdown.packs_ms = median(std::move(packs));
  return breakdown;
}

/// A built-in model, a JSON file, or "tanh-mlp": 16-32-32-1, as small nets inside other programs
/// are.
Model model_of(const std::string& name) {
  if (name != kTinyModel) return Model::named(name);
  Model net({16}, name);
  net.add(Dense{.units = 32, .activation = "tanh"});
  net.add(Dense{.units = 32, .activation = "tanh"});
  net.add(Dense{.units = 1});
  net.set_loss(Loss::mean_squared_error);
  return net;
}

}  // namespace

Measured time_model(const std::string& model, Mode mode, std::int64_t batch, const Backend& backend,
                    int threads, double seconds) {
  const Model net = model_of(model);
  RandomStep step(net, backend,
                  {.purpose = mode == Mode::train ? Purpose::train : Purpose::infer,
                   .batch = batch,
                   .threads = threads,
                   .optimizer = workload_of(net.name()).optimizer});
  Measured measured;
  measured.timing = time(seconds, [&] { step.run(); });
  measured.breakdown = break_down(step);
  return measured;
}

}  // namespace soma::bench
