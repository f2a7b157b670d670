#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "soma/abi.h"
#include "soma/sdk/shape.hpp"

namespace soma {

/// What an op is prepared for. Training ops keep what their backward needs.
enum class Purpose : std::int32_t { train = SOMA_TRAIN, infer = SOMA_INFER };

/// Type and shape of one operand.
struct TensorInfo {
  DType dtype = DType::f32;
  Shape shape;
  friend bool operator==(const TensorInfo&, const TensorInfo&) = default;
};

/// Named attributes of an op, in the order they were set. Equal to their default means absent.
class Attributes {
 public:
  using Value = std::variant<std::int64_t, double, std::string>;
  using Entry = std::pair<std::string, Value>;

  void set(std::string name, Value value) {
    entries_.emplace_back(std::move(name), std::move(value));
  }
  /// Sets it unless it equals the default, so that equal ops have equal attributes.
  template <class T>
  void set_unless(std::string name, const T& value, const T& fallback) {
    if (value == fallback) return;
    if constexpr (std::is_floating_point_v<T>) {
      set(std::move(name), static_cast<double>(value));
    } else if constexpr (std::is_integral_v<T>) {
      set(std::move(name), static_cast<std::int64_t>(value));
    } else {
      set(std::move(name), std::string(value));
    }
  }

  std::int64_t integer(std::string_view name, std::int64_t fallback) const {
    return get<std::int64_t>(name, fallback);
  }
  bool flag(std::string_view name) const { return integer(name, 0) != 0; }
  double real(std::string_view name, double fallback) const { return get<double>(name, fallback); }
  std::string text(std::string_view name, std::string fallback) const {
    return get<std::string>(name, std::move(fallback));
  }
  const std::vector<Entry>& entries() const noexcept { return entries_; }
  friend bool operator==(const Attributes&, const Attributes&) = default;

 private:
  template <class T>
  T get(std::string_view name, T fallback) const {
    for (const auto& [key, value] : entries_) {
      if (key == name) {
        if (const T* typed = std::get_if<T>(&value)) return *typed;
        throw ShapeError("attribute '" + key + "' has the wrong type");
      }
    }
    return fallback;
  }
  std::vector<Entry> entries_;
};

/// An op as data: what is to be computed on operands of which shapes. The families under
/// soma/sdk/ops/ build complete ops from checked shapes; a backend prepares a kernel for one.
struct Op {
  std::string id;  ///< family, version and direction: "conv2d/1.bwd_data"
  std::vector<TensorInfo> inputs, outputs;
  Attributes attributes;
  Purpose purpose = Purpose::train;

  /// "conv2d/1"
  std::string_view family() const { return std::string_view(id).substr(0, id.rfind('.')); }
  /// "bwd_data"
  std::string_view direction() const { return std::string_view(id).substr(id.rfind('.') + 1); }
  const Shape& in(std::size_t i) const { return inputs.at(i).shape; }
  const Shape& out(std::size_t i) const { return outputs.at(i).shape; }
  /// "conv2d/1.fwd([64,28,28,1] [32,5,5,1] -> [64,28,28,32] pad_top=2)"
  std::string str() const {
    std::string text = id + "(";
    for (const auto& t : inputs) text += t.shape.str() + " ";
    text += "->";
    for (const auto& t : outputs) (text += ' ') += t.shape.str();
    for (const auto& [key, value] : attributes.entries()) {
      (text += ' ').append(key) += '=';
      if (const auto* i = std::get_if<std::int64_t>(&value)) text += std::to_string(*i);
      if (const auto* r = std::get_if<double>(&value)) text += std::to_string(*r);
      if (const auto* s = std::get_if<std::string>(&value)) text += *s;
    }
    return text + ")";
  }
  /// The same op on float64 tensors (integers stay): what the oracle computes.
  Op as_f64() const {
    Op op = *this;
    for (auto* tensors : {&op.inputs, &op.outputs}) {
      for (auto& t : *tensors) {
        if (t.dtype == DType::f32) t.dtype = DType::f64;
      }
    }
    return op;
  }
  friend bool operator==(const Op&, const Op&) = default;
};

/// The C view of an Op; valid as long as both this object and the op live unchanged.
class AbiOp {
 public:
  explicit AbiOp(const Op& op) {
    for (const auto& t : op.inputs) inputs_.push_back(tensor(t));
    for (const auto& t : op.outputs) outputs_.push_back(tensor(t));
    for (const auto& [key, value] : op.attributes.entries()) {
      soma_attribute a{};
      a.name = key.c_str();
      if (const auto* i = std::get_if<std::int64_t>(&value)) a.kind = SOMA_INTEGER, a.integer = *i;
      if (const auto* r = std::get_if<double>(&value)) a.kind = SOMA_REAL, a.real = *r;
      if (const auto* s = std::get_if<std::string>(&value))
        a.kind = SOMA_STRING, a.text = s->c_str();
      attributes_.push_back(a);
    }
    op_.struct_size = sizeof(soma_op);
    op_.major = SOMA_ABI_MAJOR;
    op_.minor = SOMA_ABI_MINOR;
    op_.id = op.id.c_str();
    op_.inputs = inputs_.data();
    op_.outputs = outputs_.data();
    op_.attributes = attributes_.data();
    op_.input_count = static_cast<std::int32_t>(inputs_.size());
    op_.output_count = static_cast<std::int32_t>(outputs_.size());
    op_.attribute_count = static_cast<std::int32_t>(attributes_.size());
    op_.purpose = static_cast<std::int32_t>(op.purpose);
  }
  AbiOp(const AbiOp&) = delete;
  AbiOp& operator=(const AbiOp&) = delete;
  const soma_op* get() const noexcept { return &op_; }

 private:
  static soma_tensor tensor(const TensorInfo& info) {
    soma_tensor t{};
    t.dtype = static_cast<std::int32_t>(info.dtype);
    t.rank = info.shape.rank();
    std::ranges::copy(info.shape.dims(), t.dims);
    return t;
  }
  std::vector<soma_tensor> inputs_, outputs_;
  std::vector<soma_attribute> attributes_;
  soma_op op_{};
};

/// The C++ form of an op that came across the line.
inline Op op_from_abi(const soma_op& abi) {
  Op op;
  op.id = abi.id;
  const auto tensors = [](const soma_tensor* from, std::int32_t count) {
    std::vector<TensorInfo> list;
    for (std::int32_t i = 0; i < count; ++i) {
      list.push_back({static_cast<DType>(from[i].dtype),
                      Shape(std::span(from[i].dims, static_cast<std::size_t>(from[i].rank)))});
    }
    return list;
  };
  op.inputs = tensors(abi.inputs, abi.input_count);
  op.outputs = tensors(abi.outputs, abi.output_count);
  for (std::int32_t i = 0; i < abi.attribute_count; ++i) {
    const soma_attribute& a = abi.attributes[i];
    if (a.kind == SOMA_INTEGER) op.attributes.set(a.name, a.integer);
    if (a.kind == SOMA_REAL) op.attributes.set(a.name, a.real);
    if (a.kind == SOMA_STRING) op.attributes.set(a.name, std::string(a.text));
  }
  op.purpose = static_cast<Purpose>(abi.purpose);
  return op;
}

}  // namespace soma
