#include "self_test.hpp"

#include <algorithm>

#include "model/state.hpp"
#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/predictor.hpp"

namespace soma {
namespace {

/// How a model looks numbers up in tables.
struct Tables {
  std::int64_t fewest_rows = 0;  // of all of them; 0 without tables
  bool casts = false;            // some input of floats becomes indices
};

Tables tables_of(const Graph& graph) {
  Tables tables;
  for (const Graph::Node& node : graph.nodes) {
    tables.casts |= node.op.family() == "cast/1";
    if (node.op.family() != "embedding/1") continue;
    const std::int64_t rows = node.op.in(0)[0];
    tables.fewest_rows = tables.fewest_rows == 0 ? rows : std::min(tables.fewest_rows, rows);
  }
  return tables;
}

std::vector<Tensor> sample(const Model& model, std::int64_t indices, bool casts) {
  std::vector<Tensor> tensors;
  const auto& inputs = model.inputs();
  for (const ModelInput& input : inputs) {
    Tensor tensor(input.shape, input.type);
    const PhiloxStream stream(0, self_test_name("input", input.name, inputs.size()));
    for (std::size_t i = 0; i < static_cast<std::size_t>(tensor.elements()); ++i) {
      const auto index = static_cast<std::int32_t>(static_cast<std::int64_t>(i) % indices);
      if (input.type == DType::i32) {
        tensor.as<std::int32_t>()[i] = index;
      } else {
        tensor.as<float>()[i] =
            casts ? static_cast<float>(index) : stream.uniform(0, static_cast<std::uint32_t>(i));
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
  const Tables tables = tables_of(model.state().probe);
  const auto made = [&](std::int64_t indices) {
    SelfTest test{sample(model, indices, tables.casts && tables.fewest_rows > 0), {}};
    test.outputs = self_test_outputs(model, test.inputs);
    return test;
  };
  if (tables.fewest_rows > 0) return made(tables.fewest_rows);
  // Ops that take indices otherwise only say by refusing what they take.
  for (const std::int64_t indices : {64, 2}) {
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
