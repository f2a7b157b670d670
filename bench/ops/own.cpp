#include "cases.hpp"
#include "soma/backend.hpp"
#include "soma/philox.hpp"
#include "soma/trainer.hpp"

namespace soma::bench {
namespace {

void fill(Tensor& tensor, const std::string& name) {
  const PhiloxStream stream(1, name);
  auto values = tensor.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 2 * stream.uniform(0, static_cast<std::uint32_t>(i)) - 1;
  }
}

Timing time_op(const Op& op, const Backend& backend, int threads, double seconds) {
  const Kernel kernel = backend.prepare(op);
  std::vector<Tensor> tensors;
  std::vector<const void*> inputs;
  std::vector<void*> outputs;
  for (const TensorInfo& info : op.inputs) {
    fill(tensors.emplace_back(info.shape), "in" + std::to_string(tensors.size()));
    inputs.push_back(tensors.back().data());
  }
  for (const TensorInfo& info : op.outputs)
    outputs.push_back(tensors.emplace_back(info.shape).data());
  const AlignedBytes workspace(kernel.info().workspace_bytes), pack(kernel.info().pack_bytes);
  const Kernel::Buffers buffers{inputs.data(), outputs.data(), workspace.data(), pack.data()};
  // Weights are packed when they change, as in inference; a training step packs once per update.
  if (pack.size() > 0) kernel.pack(buffers, pack.data(), threads);
  return time(seconds, [&] { kernel.execute(buffers, threads); });
}

Timing time_step(const Backend& backend, int threads, double seconds) {
  Model net = Model::named("lenet5");
  Trainer trainer(net, backend,
                  {.optimizer = Sgd{.learning_rate = 0.01, .momentum = 0.9}, .threads = threads});
  Tensor images({64, 28, 28, 1});
  fill(images, "images");
  std::vector<std::int32_t> labels(64);
  for (std::size_t i = 0; i < labels.size(); ++i) labels[i] = static_cast<std::int32_t>(i % 10);
  return time(seconds, [&] { trainer.step(images.as<float>(), labels); });
}

}  // namespace

Timing time_backend(const Case& c, const std::string& contestant, int threads, double seconds) {
  const bool exact = contestant.ends_with("-exact");
  const Backend chosen = backend(contestant.substr(0, contestant.find('-')),
                                 {.numerics = exact ? Numerics::exact : Numerics::fast});
  return c.op.id.empty() ? time_step(chosen, threads, seconds)
                         : time_op(c.op, chosen, threads, seconds);
}

}  // namespace soma::bench
