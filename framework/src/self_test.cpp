#include "self_test.hpp"

#include "soma/philox.hpp"
#include "soma/predictor.hpp"

namespace soma {

Tensor self_test_input(const Model& model) {
  Tensor input(model.input_shape());
  const PhiloxStream stream(0, "selftest.input");
  auto values = input.as<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = stream.uniform(0, static_cast<std::uint32_t>(i));
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
