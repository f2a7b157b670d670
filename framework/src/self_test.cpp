#include "self_test.hpp"

#include <algorithm>

#include "model/state.hpp"
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

}  // namespace

Tensor self_test_input(const Model& model) {
  Tensor input(model.input_shape());
  const PhiloxStream stream(0, "selftest.input");
  auto values = input.as<float>();
  const std::int64_t rows = fewest_rows(model.state().probe);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = rows > 0 ? static_cast<float>(static_cast<std::int64_t>(i) % rows)
                         : stream.uniform(0, static_cast<std::uint32_t>(i));
  }
  return input;
}

Tensor self_test_output(const Model& model, const Tensor& input) {
  const Predictor predict(model, backend("reference", {.numerics = Numerics::exact}),
                          {.probabilities = false, .concurrency = 1});
  Tensor output(model.output_shape());
  predict.run(input.as<float>(), output.as<float>());
  return output;
}

}  // namespace soma
