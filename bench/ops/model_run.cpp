#include "backend_run.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

namespace soma::bench {
namespace {

void fill(std::span<float> values, const std::string& name) {
  const PhiloxStream stream(1, name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 2 * stream.uniform(0, static_cast<std::uint32_t>(i)) - 1;
  }
}

Timing time_step(Model& net, std::int64_t batch, const Backend& backend, int threads,
                 double seconds) {
  Trainer trainer(net, backend,
                  {.optimizer = Sgd{.learning_rate = 0.01, .momentum = 0.9}, .threads = threads});
  std::vector<float> inputs(static_cast<std::size_t>(net.input_shape().elements() * batch));
  fill(inputs, "inputs");
  const std::int64_t outputs = net.output_shape().elements();
  if (net.loss().takes_classes()) {
    std::vector<std::int32_t> labels(static_cast<std::size_t>(batch));
    for (std::size_t i = 0; i < labels.size(); ++i) {
      labels[i] = static_cast<std::int32_t>(i % static_cast<std::size_t>(outputs));
    }
    return time(seconds, [&] { trainer.step(inputs, labels); });
  }
  std::vector<float> targets(static_cast<std::size_t>(outputs * batch));
  fill(targets, "targets");
  return time(seconds, [&] { trainer.step(inputs, targets); });
}

Timing time_prediction(Model& net, std::int64_t batch, const Backend& backend, int threads,
                       double seconds) {
  net.initialize(1);
  const Predictor predict(net, backend, {.max_batch = batch, .threads = threads, .concurrency = 1});
  std::vector<float> inputs(static_cast<std::size_t>(predict.input_size() * batch));
  std::vector<float> outputs(static_cast<std::size_t>(predict.output_size() * batch));
  fill(inputs, "inputs");
  return time(seconds, [&] { predict.run(inputs, outputs); });
}

}  // namespace

const char* name_of(Mode mode) noexcept { return mode == Mode::train ? "train" : "infer"; }

Measured time_model(const std::string& model, Mode mode, std::int64_t batch, const Backend& backend,
                    int threads, double seconds) {
  Model net = Model::named(model);
  const auto measure = mode == Mode::train ? time_step : time_prediction;
  Measured measured;
  measured.timing = measure(net, batch, backend, threads, seconds);
  return measured;
}

}  // namespace soma::bench
