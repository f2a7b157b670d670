#include "kernel_record.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "files.hpp"
#include "soma/error.hpp"

using nlohmann::ordered_json;
using soma::conformance::Array;

namespace {

ordered_json json_of(const std::vector<soma::TensorInfo>& tensors) {
  auto list = ordered_json::array();
  for (const soma::TensorInfo& t : tensors) {
    const auto dims = t.shape.dims();
    list.push_back(
        {static_cast<int>(t.dtype), std::vector<std::int64_t>(dims.begin(), dims.end())});
  }
  return list;
}

std::vector<soma::TensorInfo> tensors_from(const ordered_json& list) {
  std::vector<soma::TensorInfo> tensors;
  for (const auto& t : list) {
    tensors.push_back({static_cast<soma::DType>(t.at(0).get<int>()),
                       soma::Shape(t.at(1).get<std::vector<std::int64_t>>())});
  }
  return tensors;
}

/// Reals in hexadecimal: they may be infinite, and must come back bit for bit.
ordered_json json_of(const soma::Attributes& attributes) {
  auto list = ordered_json::array();
  for (const auto& [name, value] : attributes.entries()) {
    if (const auto* real = std::get_if<double>(&value)) {
      char text[40];
      std::snprintf(text, sizeof text, "%a", *real);
      list.push_back({name, "real", text});
    } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
      list.push_back({name, "integer", *integer});
    } else {
      list.push_back({name, "text", std::get<std::string>(value)});
    }
  }
  return list;
}

soma::Attributes attributes_from(const ordered_json& list) {
  soma::Attributes attributes;
  for (const auto& entry : list) {
    const auto name = entry.at(0).get<std::string>();
    const ordered_json& value = entry.at(2);
    if (entry.at(1) == "real") {
      attributes.set(name, std::strtod(value.get<std::string>().c_str(), nullptr));
    } else if (entry.at(1) == "integer") {
      attributes.set(name, value.get<std::int64_t>());
    } else {
      attributes.set(name, value.get<std::string>());
    }
  }
  return attributes;
}

void take(std::string_view& bytes, std::vector<Array>& to,
          const std::vector<soma::TensorInfo>& tensors) {
  for (const soma::TensorInfo& tensor : tensors) {
    Array& array = to.emplace_back(tensor);
    if (bytes.size() < array.bytes.size()) {
      throw soma::StateError("a child process handed over too few numbers");
    }
    if (!array.bytes.empty()) {
      std::memcpy(array.bytes.data(), bytes.data(), array.bytes.size());
    }
    bytes.remove_prefix(array.bytes.size());
  }
}

}  // namespace

ordered_json KernelRecord::to_json() const {
  return {{"step", step},
          {"epoch", epoch},
          {"step_in_epoch", step_in_epoch},
          {"number", number},
          {"kernels", kernels},
          {"layer", layer},
          {"phase", phase},
          {"implementation", implementation},
          {"exact", exact},
          {"plugin", plugin},
          {"op",
           {{"id", op.id},
            {"inputs", json_of(op.inputs)},
            {"outputs", json_of(op.outputs)},
            {"attributes", json_of(op.attributes)},
            {"purpose", static_cast<int>(op.purpose)}}}};
}

KernelRecord KernelRecord::from_json(const ordered_json& fields) {
  KernelRecord record;
  fields.at("step").get_to(record.step);
  fields.at("epoch").get_to(record.epoch);
  fields.at("step_in_epoch").get_to(record.step_in_epoch);
  fields.at("number").get_to(record.number);
  fields.at("kernels").get_to(record.kernels);
  fields.at("layer").get_to(record.layer);
  fields.at("phase").get_to(record.phase);
  fields.at("implementation").get_to(record.implementation);
  fields.at("exact").get_to(record.exact);
  fields.at("plugin").get_to(record.plugin);
  const ordered_json& op = fields.at("op");
  op.at("id").get_to(record.op.id);
  record.op.inputs = tensors_from(op.at("inputs"));
  record.op.outputs = tensors_from(op.at("outputs"));
  record.op.attributes = attributes_from(op.at("attributes"));
  record.op.purpose = static_cast<soma::Purpose>(op.at("purpose").get<int>());
  return record;
}

void KernelRecord::read_numbers(const std::filesystem::path& file) {
  const std::string text = read_file(file);
  std::string_view bytes = text;
  take(bytes, operands.inputs, op.inputs);
  take(bytes, outputs, op.outputs);
}
