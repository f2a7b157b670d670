#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "soma/profile.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

/// One operand of a kernel. Its bytes are valid during the call that shows it: memory is used
/// again for other tensors later in the step.
struct StepTensor {
  /// "conv1.weight"; "optimizer.m.conv1.weight"; "input" or the input's own name; "targets", or
  /// "targets of <output>" where there are several; "conv1.output", what a layer gives; "gradient
  /// of conv1.weight" and "gradient of conv1.output"; "loss"; else the op's name and the number of
  /// the output, "softmax_cross_entropy/1.fwd output 1". The same name may come again when a tensor
  /// is changed in place.
  std::string_view name;
  int value = -1;  ///< its number in the graph
  DType type = DType::f32;
  Shape shape;
  std::span<const std::byte> bytes;

  /// All elements; for type f32.
  std::span<const float> floats() const noexcept {
    return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
  }
};

/// One kernel of a step.
struct StepKernel {
  std::size_t number = 0;  ///< in the order they run in a step, from 0
  std::int64_t step = 0;   ///< of training: the update under way, from 1; else 0
  std::string_view layer;  ///< whose work it is; "optimizer" for the update
  KernelTime::Phase phase = KernelTime::Phase::forward;
  const Op* op = nullptr;
  std::span<const StepTensor> inputs, outputs;
};

/// Looks at every tensor of a step while it runs. Called on the thread that runs the step, which
/// waits; what it throws ends the step half done.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  /// Asked while a trainer observes. True: kernels that compute several layers at once are taken
  /// apart, so that every layer's tensors are shown, and the trainer compiles a program for that
  /// when looking begins and another when it ends. False: the step is shown as it is trained;
  /// outputs and gradients that fused kernels never write are not seen.
  virtual bool needs_every_tensor() const noexcept { return true; }
  /// Right before a kernel runs; its outputs have no bytes yet.
  virtual void before(const StepKernel& kernel) { static_cast<void>(kernel); }
  /// Right after it ran; its inputs have no bytes any more, as outputs may have taken their place.
  virtual void after(const StepKernel& kernel) = 0;
};

/// What a hook gets: a layer's output, or the gradient of what is minimised with respect to it,
/// [batch, ...]. What the hook writes there takes the place of what was computed: all later
/// kernels, those of the backward included, see it instead. The gradient of an output passes
/// through the layer as if the layer had computed that output.
struct HookedTensor {
  const std::string& layer;
  std::int64_t step;  ///< of training: the update under way, from 1; else 0
  const Shape& shape;
  std::span<float> values;
};

/// Called on the thread that runs the step. Where training repeats a step to find out where a NaN
/// came from it is called again, and should then do the same again.
using Hook = std::function<void(const HookedTensor&)>;

}  // namespace soma
