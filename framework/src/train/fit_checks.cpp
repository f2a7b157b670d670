#include <cstring>

#include "soma/error.hpp"
#include "train/data_fit.hpp"
#include "train/trainer_state.hpp"

namespace soma {
namespace {

std::string quoted(const std::string& name) { return "'" + name + "'"; }

/// What one loss takes as targets of one sample, in words; empty if it takes these.
std::string problem_with(const OutputLoss& on, const Shape& output, const DataColumn& target,
                         std::int64_t classes) {
  if (on.loss.takes_classes()) {
    if (target.type != DType::i32) return "needs class labels, the data have numbers as targets";
    const Shape positions(output.dims().first(static_cast<std::size_t>(output.rank() - 1)));
    if (classes > output.back() || positions != target.sample) {
      return "gives " + output.str() + " logits, the data have " + std::to_string(classes) +
             " classes" + (target.sample.rank() == 0 ? "" : " at " + target.sample.str());
    }
    return "";
  }
  const bool two_classes = target.type == DType::i32 && classes == 2;
  if (two_classes && on.loss.is_binary() && target.sample.elements() == output.elements()) {
    return "";
  }
  if (target.type == DType::i32)
    return "gives " + output.str() + " numbers, the data have class labels";
  if (target.sample.elements() != output.elements()) {
    return "gives " + output.str() + " numbers, the data have targets of shape " +
           target.sample.str();
  }
  return "";
}

}  // namespace

bool takes(const ModelInput& input, const DataColumn& column) {
  return input.type == column.type && input.shape.elements() == column.sample.elements() &&
         (input.shape == column.sample || input.shape.rank() == 1);
}

void number_classes(const Loss& loss, std::span<std::byte> labels) {
  const float first = loss.kind == Loss::Kind::hinge ? -1.0f : 0.0f;
  for (std::size_t at = 0; at + sizeof(float) <= labels.size(); at += sizeof(float)) {
    std::int32_t label;
    std::memcpy(&label, &labels[at], sizeof label);
    const float number = label == 0 ? first : 1.0f;
    std::memcpy(&labels[at], &number, sizeof number);
  }
}

void require_fit(const Model& model, const Dataset& data) {
  const std::string who = "model " + quoted(model.name()) + " and data set " + quoted(data.name()) +
                          " do not fit: the model ";
  if (data.size() == 0) throw ShapeError("data set " + quoted(data.name()) + " has no samples");
  const auto& inputs = model.inputs();
  const auto losses = model.losses();
  if (inputs.size() != data.inputs().size() || losses.size() != data.targets().size()) {
    throw ShapeError(who + "has " + std::to_string(inputs.size()) + " inputs and " +
                     std::to_string(losses.size()) + " losses, the data " +
                     std::to_string(data.inputs().size()) + " inputs and " +
                     std::to_string(data.targets().size()) + " targets");
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const DataColumn& column = data.inputs()[i];
    if (inputs.size() > 1 && inputs[i].name != column.name) {
      throw ShapeError(who + "calls input " + std::to_string(i) + " " + quoted(inputs[i].name) +
                       ", the data " + quoted(column.name));
    }
    if (inputs[i].type != column.type) {
      throw ShapeError(who + "takes " + name_of(inputs[i].type) + ", the data have " +
                       name_of(column.type));
    }
    if (!takes(inputs[i], column)) {
      throw ShapeError(who + "takes samples of shape " + inputs[i].shape.str() +
                       ", the data have " + column.sample.str());
    }
  }
  const auto outputs = model.outputs();
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const auto output = std::ranges::find(outputs, losses[i].output, &ModelOutput::name);
    const std::string problem =
        problem_with(losses[i], output->shape, data.targets()[i], data.classes());
    if (!problem.empty()) throw ShapeError(who + problem);
  }
}

std::int64_t Trainer::State::batch_of(std::span<const TensorView> inputs) const {
  const ModelInput& first = model.inputs()[0];
  const auto sample = static_cast<std::size_t>(first.shape.elements());
  if (inputs.empty() || inputs[0].size() == 0 || inputs[0].size() % sample != 0) {
    throw ShapeError("step: expected inputs of [batch," + first.shape.str().substr(1) + ", got " +
                     std::to_string(inputs.empty() ? 0 : inputs[0].size()) + " numbers");
  }
  return static_cast<std::int64_t>(inputs[0].size() / sample);
}

void Trainer::State::check_step(const Graph& graph, std::span<const TensorView> inputs,
                                std::span<const TensorView> targets) const {
  if (inputs.size() != graph.inputs.size() || targets.size() != graph.losses.size()) {
    throw ShapeError("step: expected " + std::to_string(graph.inputs.size()) + " inputs and " +
                     std::to_string(graph.losses.size()) + " targets, got " +
                     std::to_string(inputs.size()) + " and " + std::to_string(targets.size()));
  }
  const auto check = [&](const std::string& what, std::size_t i, int value,
                         const TensorView& view) {
    const TensorInfo& info = graph.values[static_cast<std::size_t>(value)].info;
    if (info.dtype == view.dtype() && std::cmp_equal(info.shape.elements(), view.size())) return;
    throw ShapeError("step: " + what + " " + std::to_string(i) + ": expected " +
                     name_of(info.dtype) + " " + info.shape.str() + ", got " +
                     std::to_string(view.size()) + " numbers " + name_of(view.dtype()));
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) check("input", i, graph.inputs[i], inputs[i]);
  for (std::size_t i = 0; i < targets.size(); ++i) {
    check("targets", i, graph.losses[i].targets, targets[i]);
  }
}

}  // namespace soma
