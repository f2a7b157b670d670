#include "translation.hpp"

#include <algorithm>

#include "soma/conformance/runner.hpp"

namespace soma::onnx_tests {

std::vector<Tensor> Machine::run(const Op& op, const std::vector<Tensor>& inputs) const {
  conformance::Operands operands;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    operands.inputs.push_back(inputs[i].array(op.in(i)));
  }
  for (const TensorInfo& info : op.outputs) operands.old_outputs.emplace_back(info);
  const conformance::Run done = conformance::run(backend_.prepare(op), operands, {.threads = 2});
  if (!done.violations.empty()) throw std::runtime_error(op.str() + ": " + done.violations[0]);
  std::vector<Tensor> outputs;
  for (const auto& array : done.outputs) outputs.push_back(Tensor::from(array));
  return outputs;
}

const Translator* translator_of(std::string_view op) {
  static const std::vector<Translator> all = [] {
    std::vector<Translator> list;
    for (const auto& group :
         {pointwise_translators(), product_translators(), pool_translators(),
          arrangement_translators(), reduction_translators(), normalization_translators(),
          recurrent_translators(), training_translators()}) {
      list.insert(list.end(), group.begin(), group.end());
    }
    return list;
  }();
  const auto it = std::ranges::find(all, op, &Translator::op);
  return it == all.end() ? nullptr : &*it;
}

}  // namespace soma::onnx_tests
