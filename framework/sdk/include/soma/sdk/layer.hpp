#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "soma/abi.h"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/op.hpp"
#include "soma/sdk/options.hpp"
#include "soma/sdk/sums.hpp"
#include "soma/sdk/wide.hpp"

/// What the author of a layer plugin includes. A layer is a struct that is made of its fields and
/// the shapes of its inputs (batch first), says what it needs, and computes:
///
///   struct Shift {                                            // y = x + shift, one per feature
///     static constexpr soma_option kOptions[] = {...};        // fields of the model file, or none
///     Shift(const soma::sdk::Options& fields, std::span<const soma::Shape> inputs);
///     soma::Shape output() const;
///     std::vector<soma::sdk::Parameter> parameters() const;   // may be left out, as the next two
///     std::vector<soma::Shape> saved() const;                 // what forward keeps for backward
///     std::size_t workspace() const;                          // numbers of scratch
///     template <class T> void forward(const soma::sdk::Forward<T>& run) const;
///     template <class T> void backward(const soma::sdk::Backward<T>& run) const;
///   };
///   SOMA_EXPORT_LAYER("shift", Shift)
///
/// The constructor throws soma::ShapeError for what it cannot take. T is float32 (soma::math::F32)
/// or float64 (F64), numbers with the canonical functions, called without a namespace. Loops over
/// run.each(...) run on the threads of the active backend; write every element from one index of
/// them, and sums with soma::sdk::sum, and the layer has the same bits everywhere.
///
/// A layer that is made of existing ones needs neither shapes nor gradients:
///
///   struct Twice {
///     static soma::sdk::Node compose(soma::sdk::Composer& c, const soma::sdk::Options& fields,
///                                    std::span<const soma::sdk::Node> inputs) {
///       return c.layer("add", "", {}, {inputs[0], inputs[0]});
///     }
///   };
///
/// Both take any number of inputs; `static constexpr int kInputs` fixes it (1 if left out).
namespace soma::sdk {
// The functions below contain code of the canonical functions; see math/isa.hpp.
inline namespace SOMA_MATH_ISA {

/// A tensor that training changes. init is a text of the model format: "zeros", "he_normal",
/// "normal(0.02)", ...; fan_in and fan_out are what it scales by.
struct Parameter {
  std::string name;
  Shape shape;
  std::string init = "zeros";
  std::int64_t fan_in = 0, fan_out = 0;
};

/// A tensor of the host, row-major. Rows are those of its last axis.
template <class T>
class View {
 public:
  View(T* data, const Shape& shape) : data_(data), shape_(&shape) {}
  const Shape& shape() const noexcept { return *shape_; }
  std::int64_t size() const noexcept { return shape_->elements(); }
  std::int64_t width() const noexcept { return shape_->rank() == 0 ? 1 : shape_->back(); }
  std::int64_t rows() const noexcept { return width() == 0 ? 0 : size() / width(); }
  std::span<T> row(std::int64_t i) const {
    return {data_ + i * width(), static_cast<std::size_t>(width())};
  }
  T& operator[](std::int64_t i) const noexcept { return data_[i]; }
  T& operator()(std::int64_t row, std::int64_t column) const noexcept {
    return data_[row * width() + column];
  }
  T* data() const noexcept { return data_; }
  /// False for a gradient that nobody wants; it must not be touched.
  explicit operator bool() const noexcept { return data_ != nullptr; }

 private:
  T* data_;
  const Shape* shape_;
};

/// The shapes of a layer's tensors.
struct LayerShapes {
  std::vector<Shape> inputs, parameters, saved;
  Shape output;
};

/// What forward and backward share.
template <class T>
class LayerRun {
 public:
  LayerRun(const soma_layer_exec& exec, const LayerShapes& shapes) : exec_(exec), shapes_(shapes) {}
  View<const T> input(std::size_t i = 0) const {
    return {static_cast<const T*>(exec_.inputs[i]), shapes_.inputs[i]};
  }
  /// An input of class numbers or token ids.
  View<const std::int32_t> integers(std::size_t i = 0) const {
    return {static_cast<const std::int32_t*>(exec_.inputs[i]), shapes_.inputs[i]};
  }
  View<const T> parameter(std::size_t i = 0) const {
    return {static_cast<const T*>(exec_.parameters[i]), shapes_.parameters[i]};
  }
  T* workspace() const noexcept { return static_cast<T*>(exec_.workspace); }

  /// Calls body(i) for i in [0, n), on the threads of the backend; one call costs about as much as
  /// `cost` simple operations.
  template <class Body>
  void each(std::int64_t n, std::int64_t cost, const Body& body) const {
    constexpr std::int64_t kWorthAThread = 16384;
    const auto run = [](void* argument, std::int64_t begin, std::int64_t end) {
      const Body& call = *static_cast<const Body*>(argument);
      for (std::int64_t i = begin; i < end; ++i) call(i);
    };
    const std::int64_t grain = std::max<std::int64_t>(1, kWorthAThread / std::max(cost, 1L));
    exec_.parallel_for(exec_.pool, n, grain, run, const_cast<Body*>(&body));
  }

 protected:
  const soma_layer_exec& exec_;
  const LayerShapes& shapes_;
};

template <class T>
class Forward : public LayerRun<T> {
 public:
  using LayerRun<T>::LayerRun;
  View<T> output() const { return {static_cast<T*>(this->exec_.output), this->shapes_.output}; }
  /// Empty in inference.
  View<T> saved(std::size_t i = 0) const {
    void* const* all = this->exec_.saved;
    return {all == nullptr ? nullptr : static_cast<T*>(all[i]), this->shapes_.saved[i]};
  }
};

/// Gradients are overwritten; those that nobody wants are empty.
template <class T>
class Backward : public LayerRun<T> {
 public:
  using LayerRun<T>::LayerRun;
  View<const T> grad_output() const {
    return {static_cast<const T*>(this->exec_.grad_output), this->shapes_.output};
  }
  View<const T> saved(std::size_t i = 0) const {
    return {static_cast<const T*>(this->exec_.saved[i]), this->shapes_.saved[i]};
  }
  View<T> grad_input(std::size_t i = 0) const {
    return {static_cast<T*>(this->exec_.grad_inputs[i]), this->shapes_.inputs[i]};
  }
  View<T> grad_parameter(std::size_t i = 0) const {
    return {static_cast<T*>(this->exec_.grad_parameters[i]), this->shapes_.parameters[i]};
  }
};

/// A value in a graph that is composed.
struct Node {
  std::int32_t number = -1;
  Shape shape;
};

/// One field of a layer that is composed: {"units", 8}, {"activation", "relu"}.
struct Field {
  Field(const char* name, std::int64_t value) : attribute{name, SOMA_INTEGER, 0, value} {}
  Field(const char* name, int value) : Field(name, std::int64_t{value}) {}
  Field(const char* name, bool value) : Field(name, std::int64_t{value}) {}
  Field(const char* name, double value) : attribute{name, SOMA_REAL, 0, 0, value} {}
  Field(const char* name, const char* value) : attribute{name, SOMA_STRING, 0, 0, 0, value} {}
  soma_attribute attribute;
};

/// Builds a layer from others.
class Composer {
 public:
  explicit Composer(const soma_composer& host) : host_(host) {}

  /// A layer of any type of the model format, other plugins' included. Its parameters are called
  /// LAYER.NAME.weight, ...; `name` may be "" where it has none. Throws ShapeError.
  Node layer(const char* type, const char* name, std::initializer_list<Field> fields,
             std::initializer_list<Node> inputs) {
    std::vector<soma_attribute> attributes;
    for (const Field& f : fields) attributes.push_back(f.attribute);
    std::vector<std::int32_t> numbers;
    for (const Node& n : inputs) numbers.push_back(n.number);
    return made([&](std::int32_t* number, soma_text* why) {
      return host_.layer(host_.graph, type, name, attributes.data(),
                         static_cast<std::int32_t>(attributes.size()), numbers.data(),
                         static_cast<std::int32_t>(numbers.size()), number, why);
    });
  }
  /// A parameter of the composed layer itself; its shape has no batch.
  Node parameter(const Parameter& p) {
    const soma_parameter abi{p.name.c_str(), p.init.c_str(), abi_tensor(DType::f32, p.shape),
                             p.fan_in, p.fan_out};
    return made([&](std::int32_t* number, soma_text* why) {
      return host_.parameter(host_.graph, &abi, number, why);
    });
  }
  Node at(std::int32_t number) {
    soma_tensor t{};
    checked([&](soma_text* why) { return host_.shape(host_.graph, number, &t, why); });
    return {number, Shape(std::span(t.dims, static_cast<std::size_t>(t.rank)))};
  }
  static soma_tensor abi_tensor(DType dtype, const Shape& shape) {
    soma_tensor t{static_cast<std::int32_t>(dtype), shape.rank()};
    std::ranges::copy(shape.dims(), t.dims);
    return t;
  }

 private:
  template <class Call>
  Node made(Call call) {
    std::int32_t number = -1;
    checked([&](soma_text* why) { return call(&number, why); });
    return at(number);
  }
  template <class Call>
  void checked(Call call) {
    char sentence[512] = "";
    soma_text why{sentence, sizeof sentence};
    const soma_status status = call(&why);
    if (status == SOMA_OK) return;
    if (status == SOMA_INVALID) throw ShapeError(sentence);
    if (status == SOMA_UNSUPPORTED) throw UnsupportedError(sentence);
    throw PluginError(sentence);
  }
  const soma_composer& host_;
};

template <class L>
concept ComposedLayer = requires(Composer& c, const Options& o, std::span<const Node> inputs) {
  { L::compose(c, o, inputs) } -> std::same_as<Node>;
};

/// An author's layer with its shapes, as the C line hands it around.
template <class L>
class LayerHandle {
 public:
  LayerHandle(const Options& fields, std::span<const soma_tensor> inputs) {
    for (const soma_tensor& t : inputs) {
      shapes_.inputs.emplace_back(std::span(t.dims, static_cast<std::size_t>(t.rank)));
      if (t.dtype == SOMA_F64) dtype_ = DType::f64;
    }
    layer_ = std::make_unique<const L>(fields, std::span<const Shape>(shapes_.inputs));
    shapes_.output = layer_->output();
    if constexpr (requires { layer_->parameters(); }) parameters_ = layer_->parameters();
    if constexpr (requires { layer_->saved(); }) shapes_.saved = layer_->saved();
    for (const Parameter& p : parameters_) {
      shapes_.parameters.push_back(p.shape);
      abi_parameters_.push_back({p.name.c_str(), p.init.c_str(),
                                 Composer::abi_tensor(dtype_, p.shape), p.fan_in, p.fan_out});
    }
    for (const Shape& s : shapes_.saved) abi_saved_.push_back(Composer::abi_tensor(dtype_, s));
  }

  void describe(soma_layer_plan* plan) const {
    plan->output = Composer::abi_tensor(dtype_, shapes_.output);
    plan->parameters = abi_parameters_.data();
    plan->parameter_count = static_cast<std::int32_t>(abi_parameters_.size());
    plan->saved = abi_saved_.data();
    plan->saved_count = static_cast<std::int32_t>(abi_saved_.size());
    if constexpr (requires { layer_->workspace(); }) {
      plan->forward_workspace_bytes = plan->backward_workspace_bytes =
          layer_->workspace() * size_bytes(dtype_);
    }
  }
  void forward(const soma_layer_exec& exec) const {
    if (dtype_ == DType::f64) {
      layer_->forward(Forward<math::F64>(exec, shapes_));
    } else {
      layer_->forward(Forward<math::F32>(exec, shapes_));
    }
  }
  void backward(const soma_layer_exec& exec) const {
    if (dtype_ == DType::f64) {
      layer_->backward(Backward<math::F64>(exec, shapes_));
    } else {
      layer_->backward(Backward<math::F32>(exec, shapes_));
    }
  }

 private:
  LayerShapes shapes_;
  DType dtype_ = DType::f32;
  std::unique_ptr<const L> layer_;
  std::vector<Parameter> parameters_;
  std::vector<soma_parameter> abi_parameters_;
  std::vector<soma_tensor> abi_saved_;
};

template <class L>
struct LayerFunctions {
  using Handle = LayerHandle<L>;
  static const Handle& from(const soma_layer_instance* i) {
    return *reinterpret_cast<const Handle*>(i);
  }
  static Options fields(const soma_attribute* options) { return {options, options_of<L>().size()}; }

  static soma_status open(const soma_attribute* options, const soma_tensor* inputs,
                          std::int32_t input_count, soma_layer_instance** instance,
                          soma_layer_plan* plan, soma_text* why) {
    return guarded(why, [&] {
      auto handle = std::make_unique<Handle>(
          fields(options), std::span(inputs, static_cast<std::size_t>(input_count)));
      handle->describe(plan);
      *instance = reinterpret_cast<soma_layer_instance*>(handle.release());
    });
  }
  static void close(soma_layer_instance* instance) { delete reinterpret_cast<Handle*>(instance); }
  static soma_status forward(const soma_layer_instance* instance, const soma_layer_exec* exec,
                             soma_text* why) {
    return guarded(why, [&] { from(instance).forward(*exec); });
  }
  static soma_status backward(const soma_layer_instance* instance, const soma_layer_exec* exec,
                              soma_text* why) {
    return guarded(why, [&] { from(instance).backward(*exec); });
  }
};

template <class L>
soma_status compose_layer(const soma_attribute* options, const soma_composer* host,
                          const std::int32_t* inputs, std::int32_t input_count,
                          std::int32_t* output, soma_text* why) {
  return guarded(why, [&] {
    Composer composer(*host);
    std::vector<Node> nodes;
    for (std::int32_t i = 0; i < input_count; ++i) nodes.push_back(composer.at(inputs[i]));
    *output =
        L::compose(composer, Options(options, options_of<L>().size()), std::span<const Node>(nodes))
            .number;
  });
}

/// The C table of layer L, known to model files as the type `name`.
template <class L>
const soma_layer& layer_table(const char* name) {
  static const soma_layer table = [name] {
    soma_layer t{sizeof(soma_layer), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, name, summary_of<L>(name)};
    t.options = options_of<L>().data();
    t.option_count = static_cast<std::int32_t>(options_of<L>().size());
    t.input_count = 1;
    if constexpr (requires { L::kInputs; }) t.input_count = L::kInputs;
    if constexpr (ComposedLayer<L>) {
      t.compose = &compose_layer<L>;
    } else {
      using F = LayerFunctions<L>;
      t.open = &F::open;
      t.close = &F::close;
      t.forward = &F::forward;
      t.backward = &F::backward;
    }
    return t;
  }();
  return table;
}

}  // namespace SOMA_MATH_ISA
}  // namespace soma::sdk

/// Makes this library a plugin with one layer type.
#define SOMA_EXPORT_LAYER(name, Class) SOMA_EXPORT_WIDE(::soma::sdk::layer_table<Class>(name))
