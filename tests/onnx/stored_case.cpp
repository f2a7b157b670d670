#include "stored_case.hpp"

#include <onnx/onnx_pb.h>

#include <cstring>
#include <fstream>
#include <stdexcept>

namespace soma::onnx_tests {
namespace {

namespace fs = std::filesystem;

template <class Message>
Message parse(const fs::path& file) {
  Message message;
  std::ifstream in(file, std::ios::binary);
  if (!in || !message.ParseFromIstream(&in)) {
    throw std::runtime_error("cannot parse " + file.string());
  }
  return message;
}

/// The elements of type T, raw (little-endian) or in `field`.
template <class T, class Field>
std::vector<T> elements(const onnx::TensorProto& proto, const Field& field) {
  std::vector<T> values;
  if (proto.has_raw_data()) {
    values.resize(proto.raw_data().size() / sizeof(T));
    if (!values.empty()) {
      std::memcpy(values.data(), proto.raw_data().data(), values.size() * sizeof(T));
    }
  } else {
    for (const auto& v : field) values.push_back(static_cast<T>(v));
  }
  return values;
}

/// Empty for other element types.
std::optional<Tensor> tensor_of(const onnx::TensorProto& proto) {
  Tensor t;
  t.dims.assign(proto.dims().begin(), proto.dims().end());
  const auto widen = [&](const auto& values) { t.i.assign(values.begin(), values.end()); };
  t.integral = true;
  switch (proto.data_type()) {
    case onnx::TensorProto::FLOAT:
      t.integral = false;
      t.f = elements<float>(proto, proto.float_data());
      return t;
    case onnx::TensorProto::INT64:
      t.i = elements<std::int64_t>(proto, proto.int64_data());
      return t;
    case onnx::TensorProto::INT32:
      widen(elements<std::int32_t>(proto, proto.int32_data()));
      return t;
    case onnx::TensorProto::BOOL:
      widen(elements<std::int8_t>(proto, proto.int32_data()));
      return t;
    default:
      return std::nullopt;
  }
}

void read_attributes(const onnx::NodeProto& from, Node& to) {
  for (const auto& a : from.attribute()) {
    switch (a.type()) {
      case onnx::AttributeProto::INT:
        to.integers[a.name()] = a.i();
        break;
      case onnx::AttributeProto::FLOAT:
        to.reals[a.name()] = a.f();
        break;
      case onnx::AttributeProto::STRING:
        to.texts[a.name()] = a.s();
        break;
      case onnx::AttributeProto::INTS:
        to.lists[a.name()].assign(a.ints().begin(), a.ints().end());
        break;
      case onnx::AttributeProto::FLOATS:
        to.real_lists[a.name()].assign(a.floats().begin(), a.floats().end());
        break;
      case onnx::AttributeProto::STRINGS:
        to.text_lists[a.name()].assign(a.strings().begin(), a.strings().end());
        break;
      default:
        break;
    }
  }
}

}  // namespace

StoredCase read_case(const fs::path& folder) {
  StoredCase c;
  c.name = folder.parent_path().filename().string() + "/" + folder.filename().string();
  const auto model = parse<onnx::ModelProto>(folder / "model.onnx");
  const auto& graph = model.graph();

  std::map<std::string, Tensor> known;
  const onnx::NodeProto* single = nullptr;
  int nodes = 0;
  for (const auto& node : graph.node()) {
    if (node.op_type() == "Constant") {
      for (const auto& a : node.attribute()) {
        if (auto t = tensor_of(a.t())) known[node.output(0)] = std::move(*t);
      }
      continue;
    }
    ++nodes;
    single = &node;
    if (c.op.find(node.op_type()) == std::string::npos) {
      c.op += (c.op.empty() ? "" : "+") + node.op_type();
    }
  }
  if (nodes != 1) {
    c.why = "a graph of " + std::to_string(nodes) + " nodes";
    c.op = "(graphs)";
    return c;
  }
  for (const auto& t : graph.initializer()) {
    if (auto tensor = tensor_of(t)) known[t.name()] = std::move(*tensor);
  }
  const fs::path data = folder / "test_data_set_0";
  for (int k = 0; fs::exists(data / ("input_" + std::to_string(k) + ".pb")); ++k) {
    const auto file = data / ("input_" + std::to_string(k) + ".pb");
    auto t = tensor_of(parse<onnx::TensorProto>(file));
    if (t && k < graph.input_size()) known[graph.input(k).name()] = std::move(*t);
  }

  Node node;
  node.op = single->op_type();
  read_attributes(*single, node);
  for (const auto& opset : model.opset_import()) {
    if (opset.domain() == single->domain()) node.opset = opset.version();
  }
  for (const auto& name : single->input()) {
    const auto it = known.find(name);
    if (!name.empty() && it == known.end()) {
      c.why = "an element type that Soma does not have";
      return c;
    }
    node.inputs.push_back(name.empty() ? std::nullopt : std::optional(it->second));
  }
  for (const auto& name : single->output()) {
    node.outputs.emplace_back();
    for (int k = 0; k < graph.output_size(); ++k) {
      if (graph.output(k).name() != name) continue;
      const auto file = data / ("output_" + std::to_string(k) + ".pb");
      node.outputs.back() = tensor_of(parse<onnx::TensorProto>(file));
      if (!node.outputs.back()) {
        c.why = "an element type that Soma does not have";
        return c;
      }
    }
  }
  c.node = std::move(node);
  return c;
}

}  // namespace soma::onnx_tests
