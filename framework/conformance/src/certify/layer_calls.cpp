#include "certify/layer_calls.hpp"

#include <algorithm>
#include <array>

#include "soma/error.hpp"

namespace soma::conformance {
namespace {

constexpr std::int32_t kMostTensors = 32;

soma_tensor abi_tensor(const TensorInfo& info) {
  soma_tensor t{static_cast<std::int32_t>(info.dtype), info.shape.rank(), {}};
  std::ranges::copy(info.shape.dims(), t.dims);
  return t;
}

TensorInfo info_of(const soma_tensor& t) {
  const bool type = t.dtype == SOMA_F32 || t.dtype == SOMA_F64 || t.dtype == SOMA_I32;
  if (!type || t.rank < 0 || t.rank > SOMA_MAX_RANK) {
    throw PluginError("it describes a tensor without a type or with more than 8 axes");
  }
  return {static_cast<DType>(t.dtype), Shape(std::span(t.dims, static_cast<std::size_t>(t.rank)))};
}

struct Sentence {
  std::array<char, 1024> buffer{};
  soma_text text{buffer.data(), buffer.size()};
  std::string str() {
    buffer.back() = '\0';
    return buffer[0] == '\0' ? "no reason given" : buffer.data();
  }
};

void expect_ok(soma_status status, const char* call, Sentence& why) {
  if (status == SOMA_OK) return;
  throw PluginError(std::string(call) + ": expected status 0, found " + std::to_string(status) +
                    " (" + why.str() + ")");
}

soma_layer_exec exec_under(const Loop& loop) {
  soma_layer_exec exec{};
  exec.struct_size = sizeof exec;
  exec.major = SOMA_ABI_MAJOR;
  exec.minor = SOMA_ABI_MINOR;
  exec.threads = 1;
  exec.pool = const_cast<Loop*>(&loop);
  exec.parallel_for = [](void* pool, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                         void* argument) {
    (*static_cast<const Loop*>(pool))(n, grain, fn, argument);
  };
  return exec;
}

bool is_number(const TensorInfo& info) { return info.dtype != DType::i32; }

std::vector<TensorInfo> operands_of(const OpenLayer& layer) {
  std::vector<TensorInfo> list = layer.inputs();
  for (const auto& p : layer.parameters()) list.push_back(p.info);
  return list;
}

std::size_t bytes_of(const TensorInfo& info) {
  return size_bytes(info.dtype) * static_cast<std::size_t>(info.shape.elements());
}

class LayerRoutine : public Routine {
 public:
  LayerRoutine(std::shared_ptr<const LayerPair> layer, Terms terms)
      : Routine(std::move(terms)), layer_(std::move(layer)) {}

  std::vector<Array> make_inputs(std::uint64_t seed) const override {
    const OpenLayer& layer = layer_->narrow;
    std::vector<Array> list;
    for (std::size_t i = 0; i < terms().inputs.size(); ++i) {
      const TensorInfo& info = terms().inputs[i];
      const std::string stream = "certify.layer." + std::to_string(i);
      if (!is_number(info)) {
        list.push_back(ids(info, seed));
        continue;
      }
      list.push_back(drawn(info, 2, seed, stream));
      const std::size_t p = i - layer.inputs().size();
      if (i < layer.inputs().size() || p >= layer.parameters().size()) continue;
      for (float& x : list.back().as<float>()) x = base(layer.parameters()[p].init) + x / 4;
    }
    return list;
  }

 protected:
  std::shared_ptr<const LayerPair> layer_;

 private:
  /// What its elements start from on the average.
  static float base(const Init& init) {
    if (init.kind == Init::Kind::ones) return 1;
    return init.kind == Init::Kind::constant ? static_cast<float>(init.a) : 0;
  }
  static Array ids(const TensorInfo& info, std::uint64_t seed) {
    Array to(info);
    std::uint64_t i = seed;
    for (std::int32_t& id : to.as<std::int32_t>()) id = static_cast<std::int32_t>(i++ % 2);
    return to;
  }
};

class ForwardRoutine final : public LayerRoutine {
 public:
  explicit ForwardRoutine(const std::shared_ptr<const LayerPair>& layer)
      : LayerRoutine(layer, terms_of(*layer)) {}

  std::vector<std::size_t> scratch_bytes(DType type) const override {
    return {layer_->of(type).workspace_bytes()};
  }
  void run(DType type, const Buffers& buffers, const Loop& loop) const override {
    const std::vector<void*> saved(buffers.outputs.begin() + 1, buffers.outputs.end());
    layer_->of(type).forward(buffers.inputs, buffers.outputs[0], saved, buffers.scratch[0], loop);
  }

 private:
  static Terms terms_of(const LayerPair& layer) {
    Terms terms;
    terms.inputs = operands_of(layer.narrow);
    terms.outputs = layer.narrow.saved();
    terms.outputs.insert(terms.outputs.begin(), layer.narrow.output());
    terms.float64 = layer.wide != nullptr;
    return terms;
  }
};

class BackwardRoutine final : public LayerRoutine {
 public:
  explicit BackwardRoutine(const std::shared_ptr<const LayerPair>& layer)
      : LayerRoutine(layer, terms_of(*layer)) {}

  std::vector<std::size_t> scratch_bytes(DType type) const override {
    const OpenLayer& layer = layer_->of(type);
    std::vector<std::size_t> list = {layer.workspace_bytes(), bytes_of(layer.output())};
    for (const TensorInfo& s : layer.saved()) list.push_back(bytes_of(s));
    return list;
  }
  void run(DType type, const Buffers& buffers, const Loop& loop) const override {
    const OpenLayer& layer = layer_->of(type);
    const std::vector<void*> saved(buffers.scratch.begin() + 2, buffers.scratch.end());
    std::vector<const void*> operands = buffers.inputs;
    const void* grad_output = operands.back();
    operands.pop_back();
    layer.forward(operands, buffers.scratch[1], saved, buffers.scratch[0], loop);
    std::vector<void*> gradients;
    std::size_t next = 0;
    for (const TensorInfo& operand : operands_of(layer)) {
      gradients.push_back(is_number(operand) ? buffers.outputs[next++] : nullptr);
    }
    layer.backward(operands, saved, grad_output, gradients, buffers.scratch[0], loop);
  }

 private:
  static Terms terms_of(const LayerPair& layer) {
    Terms terms;
    terms.inputs = operands_of(layer.narrow);
    std::ranges::copy_if(terms.inputs, std::back_inserter(terms.outputs), is_number);
    terms.inputs.push_back(layer.narrow.output());
    terms.float64 = layer.wide != nullptr;
    return terms;
  }
};

}  // namespace

OpenLayer::OpenLayer(const soma_layer& table, const std::vector<soma_attribute>& options,
                     const std::vector<TensorInfo>& inputs)
    : table_(table), inputs_(inputs) {
  std::vector<soma_tensor> tensors;
  for (const TensorInfo& input : inputs) tensors.push_back(abi_tensor(input));
  soma_layer_plan plan{};
  plan.struct_size = sizeof plan;
  plan.major = SOMA_ABI_MAJOR;
  plan.minor = SOMA_ABI_MINOR;
  Sentence why;
  const soma_status status =
      table.open(options.data(), tensors.data(), static_cast<std::int32_t>(tensors.size()),
                 &instance_, &plan, &why.text);
  if (status == SOMA_INVALID || status == SOMA_UNSUPPORTED) throw UnsupportedError(why.str());
  expect_ok(status, "open", why);
  output_ = info_of(plan.output);
  if (plan.parameter_count < 0 || plan.parameter_count > kMostTensors || plan.saved_count < 0 ||
      plan.saved_count > kMostTensors) {
    throw PluginError("it describes more than 32 parameters or saved tensors");
  }
  for (std::int32_t i = 0; i < plan.parameter_count; ++i) {
    const soma_parameter& p = plan.parameters[i];
    parameters_.push_back({p.name, info_of(p.tensor), init_from_name(p.init)});
  }
  for (std::int32_t i = 0; i < plan.saved_count; ++i) saved_.push_back(info_of(plan.saved[i]));
  workspace_bytes_ = std::max(plan.forward_workspace_bytes, plan.backward_workspace_bytes);
}

OpenLayer::~OpenLayer() {
  if (instance_ != nullptr) table_.close(instance_);
}

void OpenLayer::forward(const std::vector<const void*>& inputs, void* output,
                        const std::vector<void*>& saved, void* workspace, const Loop& loop) const {
  soma_layer_exec exec = exec_under(loop);
  exec.inputs = inputs.data();
  exec.parameters = inputs.data() + inputs_.size();
  exec.output = output;
  exec.saved = saved.empty() ? nullptr : saved.data();
  exec.workspace = workspace;
  Sentence why;
  expect_ok(table_.forward(instance_, &exec, &why.text), "forward", why);
}

void OpenLayer::backward(const std::vector<const void*>& inputs, const std::vector<void*>& saved,
                         const void* grad_output, const std::vector<void*>& gradients,
                         void* workspace, const Loop& loop) const {
  soma_layer_exec exec = exec_under(loop);
  exec.inputs = inputs.data();
  exec.parameters = inputs.data() + inputs_.size();
  exec.saved = saved.data();
  exec.grad_output = grad_output;
  exec.grad_inputs = gradients.data();
  exec.grad_parameters = gradients.data() + inputs_.size();
  exec.workspace = workspace;
  Sentence why;
  expect_ok(table_.backward(instance_, &exec, &why.text), "backward", why);
}

LayerPair::LayerPair(const soma_layer& table, const std::vector<soma_attribute>& options,
                     const std::vector<TensorInfo>& inputs)
    : narrow(table, options, inputs) {
  std::vector<TensorInfo> doubles = inputs;
  bool numbers = false;
  for (TensorInfo& input : doubles) {
    if (input.dtype != DType::f32) continue;
    input.dtype = DType::f64;
    numbers = true;
  }
  if (!numbers) return;
  try {
    wide = std::make_unique<OpenLayer>(table, options, doubles);
  } catch (const UnsupportedError&) {  // it has no float64
  }
}

std::shared_ptr<const Routine> layer_forward(std::shared_ptr<const LayerPair> layer) {
  return std::make_shared<ForwardRoutine>(layer);
}
std::shared_ptr<const Routine> layer_backward(std::shared_ptr<const LayerPair> layer) {
  return std::make_shared<BackwardRoutine>(layer);
}

}  // namespace soma::conformance
