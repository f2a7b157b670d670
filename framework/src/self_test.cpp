#include "self_test.hpp"

#include <algorithm>

#include "model/state.hpp"
#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"

namespace soma {
namespace {

/// Rows of the smallest table that numbers from the model's input are looked up in; 0 for none.
std::int64_t fewest_rows(const Graph& graph) {
  std::int64_t fewest = 0;
  bool casts = false;
  for (const Graph::Node& node : graph.nodes) {
    casts |= node.op.family() == "cast/1";
    if (node.op.family() != "embedding/1") continue;
    const std::int64_t rows = node.op.in(0)[0];
    fewest = fewest == 0 ? rows : std::min(fewest, rows);
  }
  return casts ? fewest : 0;
}

std::vector<Tensor> sample(const Model& model, std::int32_t indices) {
  const std::int64_t rows = fewest_rows(model.state().probe);
  std::vector<Tensor> tensors;
  const auto& inputs = model.inputs();
  for (const ModelInput& input : inputs) {
    Tensor tensor(input.shape, input.type);
    const PhiloxStream stream(0, self_test_name("input", input.name, inputs.size()));
    for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.elements()); ++i) {
      const auto element = static_cast<std::uint32_t>(i);
      if (input.type == DType::f32) {
        tensor.as<float>()[i] = rows > 0 ? static_cast<float>(static_cast<std::int64_t>(i) % rows)
                                         : stream.uniform(0, element);
      } else {
        tensor.as<std::int32_t>()[i] = static_cast<std::int32_t>(
            stream.bits(0, element) % static_cast<std::uint32_t>(indices));
      }
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

TensorView view_of(const Tensor& tensor) {
  if (tensor.dtype() == DType::i32) return tensor.as<std::int32_t>();
  return tensor.as<float>();
}

}  // namespace

SelfTest make_self_test(const Model& model) {
  const auto made = [&](std::int32_t indices) {
    SelfTest test{sample(model, indices), {}};
    test.outputs = self_test_outputs(model, test.inputs);
    return test;
  };
  // Only the ops know what indices they take, and say so by refusing.
  for (const std::int32_t indices : {64, 2}) {
    try {
      return made(indices);
    } catch (const ShapeError&) {
    }
  }
  return made(1);
}

std::vector<Tensor> self_test_outputs(const Model& model, const std::vector<Tensor>& inputs) {
  const Predictor predict(model, backend("reference", {.numerics = Numerics::exact}),
                          {.probabilities = false, .concurrency = 1});
  std::vector<TensorView> views;
  for (const Tensor& input : inputs) views.push_back(view_of(input));
  std::vector<Tensor> outputs;
  std::vector<std::span<float>> spans;
  for (const ModelOutput& output : model.outputs()) outputs.emplace_back(output.shape);
  for (Tensor& output : outputs) spans.push_back(output.as<float>());
  predict.run(views, spans);
  return outputs;
}

std::string self_test_name(const char* what, const std::string& name, std::size_t count) {
  const std::string plain = std::string("selftest.") + what;
  return count == 1 ? plain : plain + "." + name;
}

}  // namespace soma
