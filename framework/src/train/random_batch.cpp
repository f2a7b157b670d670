#include "train/random_batch.hpp"

#include <algorithm>
#include <limits>

#include "soma/layers.hpp"
#include "soma/philox.hpp"

namespace soma {
namespace {

Tensor numbers(const Shape& shape, const std::string& stream) {
  Tensor tensor(shape);
  const PhiloxStream random(1, stream);
  std::uint32_t i = 0;
  for (float& x : tensor.as<float>()) x = 2 * random.uniform(0, i++) - 1;
  return tensor;
}

Tensor whole_numbers(const Shape& shape, std::int64_t below, const std::string& stream) {
  Tensor tensor(shape, DType::i32);
  const PhiloxStream random(1, stream);
  std::uint32_t i = 0;
  for (std::int32_t& x : tensor.as<std::int32_t>()) {
    x = static_cast<std::int32_t>(random.bits(0, i++) % static_cast<std::uint32_t>(below));
  }
  return tensor;
}

/// What every embedding takes.
std::int64_t least_vocabulary(const Model& model) {
  std::int64_t least = std::numeric_limits<std::int32_t>::max();
  for (const auto& layer : model.layers()) {
    if (layer.layer->type() != Embedding::kType) continue;
    least = std::min(least, layer.layer->attributes().integer("vocab", least));
  }
  return least;
}

Shape without_last(const Shape& shape) {
  return Shape(shape.dims().first(static_cast<std::size_t>(shape.rank() - 1)));
}

}  // namespace

RandomBatch::RandomBatch(const Model& model, std::int64_t samples) {
  for (const ModelInput& input : model.inputs()) {
    const Shape shape = input.shape.batched(samples);
    inputs_.push_back(hold(input.type == DType::i32
                               ? whole_numbers(shape, least_vocabulary(model), input.name)
                               : numbers(shape, input.name)));
  }
  const auto outputs = model.outputs();
  for (const OutputLoss& on : model.losses()) {
    const auto output = std::ranges::find(outputs, on.output, &ModelOutput::name);
    const Shape shape = output->shape.batched(samples);
    targets_.push_back(hold(on.loss.takes_classes()
                                ? whole_numbers(without_last(shape), shape.back(), "targets")
                                : numbers(shape, "targets")));
  }
}

TensorView RandomBatch::hold(Tensor tensor) {
  const Tensor& held = tensors_.emplace_back(std::move(tensor));
  if (held.dtype() == DType::i32) return held.as<std::int32_t>();
  return held.as<float>();
}

}  // namespace soma
