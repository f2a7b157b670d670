#include "backend_run.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "workload.hpp"

namespace soma::bench {
namespace {

Timing time_step(Model& net, std::int64_t batch, const Optimizer& optimizer, const Backend& backend,
                 int threads, double seconds) {
  Trainer trainer(net, backend, {.optimizer = optimizer, .threads = threads});
  const Batch data(net, batch);
  return time(seconds, [&] { trainer.step(data.inputs(), data.targets()); });
}

Timing time_prediction(Model& net, std::int64_t batch, const Backend& backend, int threads,
                       double seconds) {
  net.initialize(1);
  const Predictor predict(net, backend, {.max_batch = batch, .threads = threads, .concurrency = 1});
  const Batch data(net, batch);
  std::vector<float> output(static_cast<std::size_t>(predict.output_size() * batch));
  const std::span<float> outputs[] = {output};
  return time(seconds, [&] { predict.run(data.inputs(), outputs); });
}

}  // namespace

const char* name_of(Mode mode) noexcept { return mode == Mode::train ? "train" : "infer"; }

Measured time_model(const std::string& model, Mode mode, std::int64_t batch, const Backend& backend,
                    int threads, double seconds) {
  Model net = Model::named(model);
  Measured measured;
  measured.timing = mode == Mode::train ? time_step(net, batch, workload_of(net.name()).optimizer,
                                                    backend, threads, seconds)
                                        : time_prediction(net, batch, backend, threads, seconds);
  return measured;
}

}  // namespace soma::bench
