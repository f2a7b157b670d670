#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "io/json_text.hpp"
#include "model/builtin.hpp"
#include "soma/error.hpp"
#include "soma/model.hpp"

namespace soma {

namespace fs = std::filesystem;

namespace {

using io::describe;
using io::element_pointer;
using io::member_pointer;
using Json = io::JsonText::Json;

constexpr std::int64_t kFormatVersion = 1;
constexpr std::array<std::string_view, 5> kModelKeys = {"soma_model", "name", "input", "loss",
                                                        "layers"};
constexpr std::array<std::string_view, 3> kLayerKeys = {"type", "name", "inputs"};
/// Fields that are true or false; Attributes keep them as 1 or 0.
constexpr std::array<std::string_view, 3> kFlags = {"bias", "causal", "include_pad"};
constexpr std::int64_t kMostElements = std::int64_t{1} << 40;  // of one sample

bool contains(const auto& list, std::string_view key) {
  return std::ranges::find(list, key) != list.end();
}

Json to_json(std::string_view key, const Attributes::Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return contains(kFlags, key) ? Json(*integer != 0) : Json(*integer);
  }
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::get<std::string>(value);
}

std::string without_prefix(std::string text, const std::string& prefix) {
  if (text.starts_with(prefix)) text.erase(0, prefix.size());
  return text;
}

/// A field's value as make_layer takes it; nothing for what no field can be.
std::optional<Attributes::Value> to_attribute(const Json& value) {
  if (value.is_boolean()) return std::int64_t{value.get<bool>()};
  if (value.is_number_integer() &&
      (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX)) {
    return value.get<std::int64_t>();
  }
  if (value.is_number_float()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  return std::nullopt;
}

/// What a field of a layer has to be, found out by trying, the other fields as they are: only
/// make_layer knows the types.
std::string expected_kind(const std::string& type, const Json& layer, const std::string& field) {
  const std::pair<const char*, Attributes::Value> kinds[] = {
      {"a whole number", std::int64_t{1}}, {"a number", 1.0}, {"a text", std::string()}};
  for (const auto& [name, example] : kinds) {
    Attributes attributes;
    for (const auto& [key, value] : layer.items()) {
      if (contains(kLayerKeys, key)) continue;
      const auto attribute = key == field ? example : to_attribute(value);
      if (attribute) attributes.set(key, *attribute);
    }
    try {
      make_layer(type, attributes);
      return name;
    } catch (const ShapeError& error) {
      // A complaint about the value means that the type was right.
      if (without_prefix(error.what(), type + ": ").starts_with(field + ": ")) return name;
    }
  }
  return "a number or a text";
}

/// Reads a model from its JSON; every complaint names line and field.
class ModelReader {
 public:
  ModelReader(std::string_view text, std::string_view origin) : text_(text, std::string(origin)) {}

  Model read() const {
    const Json& root = text_.root();
    if (!root.is_object()) text_.fail("", "expected an object, found " + describe(root));
    for (const auto& [key, value] : root.items()) {
      if (!contains(kModelKeys, key)) {
        text_.fail(member_pointer("", key),
                   "unknown field; known are soma_model, name, input, loss, layers");
      }
    }
    const Json& version = required("", root, "soma_model");
    if (version != kFormatVersion) {
      text_.fail("/soma_model", "expected format 1, found " + describe(version));
    }
    const std::string name =
        root.contains("name") ? text_at("/name", root["name"]) : std::string("model");
    Model model(input(required("", root, "input")), name);
    if (root.contains("loss")) set_loss(model, text_at("/loss", root["loss"]));
    const Json& layers = required("", root, "layers");
    if (!layers.is_array() || layers.empty()) {
      text_.fail("/layers", "expected an array of one layer or more, found " + describe(layers));
    }
    for (std::size_t i = 0; i < layers.size(); ++i) {
      add_layer(model, element_pointer("/layers", i), layers[i]);
    }
    return model;
  }

 private:
  const Json& required(std::string_view pointer, const Json& object, const char* key) const {
    if (!object.contains(key)) {
      text_.fail(pointer, std::string("expected a field \"") + key + "\", found none");
    }
    return object[key];
  }

  std::string text_at(const std::string& pointer, const Json& value) const {
    if (!value.is_string()) text_.fail(pointer, "expected a text, found " + describe(value));
    return value.get<std::string>();
  }

  Shape input(const Json& value) const {
    constexpr std::size_t kMostRank = SOMA_MAX_RANK - 1;  // the batch comes in front
    if (!value.is_array() || value.empty() || value.size() > kMostRank) {
      text_.fail("/input", "expected an array of 1 to " + std::to_string(kMostRank) +
                               " positive integers, found " + describe(value));
    }
    Shape shape;
    std::int64_t left = kMostElements;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string at = element_pointer("/input", i);
      if (!value[i].is_number_unsigned() || value[i] == 0) {
        text_.fail(at, "expected a positive integer, found " + describe(value[i]));
      }
      if (value[i].get<std::uint64_t>() > static_cast<std::uint64_t>(left))
        text_.fail(at, "expected at most 2^40 numbers in a sample, found more");
      const auto dim = value[i].get<std::int64_t>();
      left /= dim;
      shape.append(dim);
    }
    return shape;
  }

  void set_loss(Model& model, const std::string& name) const {
    try {
      model.set_loss(loss_from_name(name));
    } catch (const ShapeError& error) {
      text_.fail("/loss", without_prefix(error.what(), "loss: "));
    }
  }

  void add_layer(Model& model, const std::string& pointer, const Json& layer) const {
    if (!layer.is_object()) text_.fail(pointer, "expected an object, found " + describe(layer));
    const std::string type = text_at(pointer + "/type", required(pointer, layer, "type"));
    std::string name;
    if (layer.contains("name")) name = new_name(model, pointer + "/name", layer["name"]);
    std::vector<std::string> inputs;
    if (layer.contains("inputs"))
      inputs = known_inputs(model, pointer + "/inputs", layer["inputs"]);
    Attributes fields;
    for (const auto& [key, value] : layer.items()) {
      if (!contains(kLayerKeys, key)) {
        fields.set(key, field(type, member_pointer(pointer, key), layer, key));
      }
    }
    std::unique_ptr<Layer> made;
    try {
      made = make_layer(type, fields);
    } catch (const ShapeError& error) {
      fail_at_field(pointer, type, layer, error.what());
    }
    try {
      model.add_layer(std::move(made), std::move(name), std::move(inputs));
    } catch (const ShapeError& error) {
      std::string problem = without_prefix(error.what(), "model '" + model.name() + "'");
      if (problem.starts_with(", ") || problem.starts_with(": ")) problem.erase(0, 2);
      text_.fail(pointer, problem);
    }
  }

  std::string new_name(const Model& model, const std::string& pointer, const Json& value) const {
    std::string name = text_at(pointer, value);
    if (name.empty()) text_.fail(pointer, "expected a name, found \"\"");
    for (const auto& layer : model.layers()) {
      if (layer.name == name) {
        text_.fail(pointer, "expected a name of its own, found " + describe(value) +
                                ", which an earlier layer has");
      }
    }
    return name;
  }

  std::vector<std::string> known_inputs(const Model& model, const std::string& pointer,
                                        const Json& value) const {
    if (!value.is_array() || value.empty()) {
      text_.fail(pointer, "expected an array of layer names, found " + describe(value));
    }
    const auto earlier = model.layers();
    std::vector<std::string> inputs;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string at = element_pointer(pointer, i);
      inputs.push_back(text_at(at, value[i]));
      if (inputs.back() == "input") continue;
      if (!std::ranges::count(earlier, inputs.back(), &Model::LayerView::name)) {
        text_.fail(
            at, "expected \"input\" or the name of an earlier layer, found " + describe(value[i]));
      }
    }
    return inputs;
  }

  Attributes::Value field(const std::string& type, const std::string& pointer, const Json& layer,
                          const std::string& key) const {
    const Json& value = layer[key];
    if (contains(kFlags, key) && !value.is_boolean()) {
      text_.fail(pointer, "expected true or false, found " + describe(value));
    }
    const auto attribute = to_attribute(value);
    if (!attribute || (value.is_boolean() && !contains(kFlags, key))) {
      text_.fail(pointer,
                 "expected " + expected_kind(type, layer, key) + ", found " + describe(value));
    }
    return *attribute;
  }

  /// Gives make_layer's complaint the line of the field it is about.
  [[noreturn]] void fail_at_field(const std::string& pointer, const std::string& type,
                                  const Json& layer, std::string problem) const {
    problem = without_prefix(std::move(problem), type + ": ");
    for (const auto& [key, value] : layer.items()) {
      const std::string at = member_pointer(pointer, key);
      if (problem == "attribute '" + key + "' has the wrong type") {
        text_.fail(at,
                   "expected " + expected_kind(type, layer, key) + ", found " + describe(value));
      }
      if (problem.starts_with(key + ": ")) text_.fail(at, problem.substr(key.size() + 2));
      if (problem.starts_with("unknown field '" + key + "'")) text_.fail(at, problem);
    }
    text_.fail(pointer, problem);
  }

  io::JsonText text_;
};

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in || fs::is_directory(file)) throw FormatError("cannot read the model " + file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

std::string Model::to_json() const {
  const auto quoted = [](const std::string& text) { return Json(text).dump(); };
  std::string text = "{\n  \"soma_model\": " + std::to_string(kFormatVersion);
  text += ",\n  \"name\": " + quoted(name());
  text += ",\n  \"input\": " + input_shape().str();
  text += ",\n  \"loss\": " + quoted(name_of(loss()));
  text += ",\n  \"layers\": [";
  std::string previous = "input";
  const char* separator = "\n";
  for (const LayerView& view : layers()) {
    Json layer;
    layer["type"] = view.layer->type();
    layer["name"] = view.name;
    if (view.inputs != std::vector{previous}) layer["inputs"] = view.inputs;
    const Attributes attributes = view.layer->attributes();
    for (const auto& [key, value] : attributes.entries()) layer[key] = soma::to_json(key, value);
    text += separator;
    text += "    " + layer.dump();
    separator = ",\n";
    previous = view.name;
  }
  return text + "\n  ]\n}\n";
}

Model Model::from_json(std::string_view text, std::string_view origin) {
  return ModelReader(text, origin).read();
}

Model Model::named(const std::string& name_or_file) {
  if (auto model = make_builtin(name_or_file)) return std::move(*model);
  if (fs::exists(name_or_file)) return from_json(read_text(name_or_file), name_or_file);
  std::string known;
  for (const std::string& name : builtin_names()) known += name + ", ";
  throw FormatError("model '" + name_or_file + "': expected " + known +
                    "or a JSON file, found no file of that name");
}

}  // namespace soma
