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
#include "model/layer_order.hpp"
#include "model/state.hpp"
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
constexpr std::array<std::string_view, 8> kModelKeys = {"soma_model", "name", "input",  "inputs",
                                                        "outputs",    "loss", "losses", "layers"};
constexpr std::array<std::string_view, 3> kInputKeys = {"name", "shape", "type"};
constexpr std::array<std::string_view, 3> kLossKeys = {"output", "loss", "weight"};
constexpr std::array<std::string_view, 4> kLayerKeys = {"type", "name", "inputs", "tie"};
/// Fields that are true or false; Attributes keep them as 1 or 0.
constexpr auto kFlags = std::to_array<std::string_view>({
    "affine",
    "bias",
    "bidirectional",
    "causal",
    "ceil",
    "include_pad",
    "last_axis",
    "pre_norm",
    "return_sequences",
    "squared",
});
constexpr std::int64_t kMostElements = std::int64_t{1} << 40;  // of one sample

bool contains(const auto& list, std::string_view key) {
  return std::ranges::find(list, key) != list.end();
}

std::string comma_separated(std::string numbers) {
  std::ranges::replace(numbers, ' ', ',');
  return numbers;
}

Json to_json(std::string_view key, const Attributes::Value& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    return contains(kFlags, key) ? Json(*integer != 0) : Json(*integer);
  }
  if (const auto* real = std::get_if<double>(&value)) return *real;
  return std::get<std::string>(value);
}

/// The name, or with options an object.
Json loss_json(const Loss& loss) {
  if (loss.options.entries().empty()) return name_of(loss);
  Json object;
  object["type"] = name_of(loss);
  for (const auto& [key, value] : loss.options.entries()) {
    object[key] = key == "class_weights"
                      ? Json::parse("[" + comma_separated(std::get<std::string>(value)) + "]")
                      : to_json(key, value);
  }
  return object;
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
    known_keys("", root, kModelKeys);
    const Json& version = required("", root, "soma_model");
    if (version != kFormatVersion) {
      text_.fail("/soma_model", "expected format 1, found " + describe(version));
    }
    const std::string name =
        root.contains("name") ? text_at("/name", root["name"]) : std::string("model");
    Model model = Model::with_inputs(inputs(root), name);
    const Json& layers = required("", root, "layers");
    if (!layers.is_array() || layers.empty()) {
      text_.fail("/layers", "expected an array of one layer or more, found " + describe(layers));
    }
    add_layers(model, layers);
    if (root.contains("outputs")) set_outputs(model, root["outputs"]);
    if (root.contains("loss") && root.contains("losses")) {
      text_.fail("/losses", "expected either \"loss\" or \"losses\", found both");
    }
    if (root.contains("loss")) model.set_loss(loss_at("/loss", root["loss"]));
    if (root.contains("losses")) set_losses(model, root["losses"]);
    return model;
  }

 private:
  /// What a layer says about itself, but for the fields of its type.
  struct Entry {
    std::string pointer, type, name;
    std::vector<std::string> inputs;
    std::vector<std::string> tied_to;  // layers
  };

  const Json& required(std::string_view pointer, const Json& object, const char* key) const {
    if (!object.contains(key)) {
      text_.fail(pointer, std::string("expected a field \"") + key + "\", found none");
    }
    return object[key];
  }

  void known_keys(std::string_view pointer, const Json& object, const auto& keys) const {
    for (const auto& [key, value] : object.items()) {
      if (contains(keys, key)) continue;
      std::string known;
      for (const std::string_view k : keys) {
        known.append(known.empty() ? "" : ", ").append(k);
      }
      text_.fail(member_pointer(pointer, key), "unknown field; known are " + known);
    }
  }

  std::string text_at(const std::string& pointer, const Json& value) const {
    if (!value.is_string()) text_.fail(pointer, "expected a text, found " + describe(value));
    return value.get<std::string>();
  }

  /// An array of texts, one or more; `what` they are.
  std::vector<std::string> texts_at(const std::string& pointer, const Json& value,
                                    const char* what) const {
    if (!value.is_array() || value.empty()) {
      text_.fail(pointer,
                 std::string("expected an array of ") + what + ", found " + describe(value));
    }
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < value.size(); ++i) {
      texts.push_back(text_at(element_pointer(pointer, i), value[i]));
    }
    return texts;
  }

  std::vector<ModelInput> inputs(const Json& root) const {
    if (!root.contains("inputs"))
      return {{"input", shape_at("/input", required("", root, "input"))}};
    if (root.contains("input")) {
      text_.fail("/inputs", "expected either \"input\" or \"inputs\", found both");
    }
    const Json& array = root["inputs"];
    if (!array.is_array() || array.empty()) {
      text_.fail("/inputs", "expected an array of one input or more, found " + describe(array));
    }
    std::vector<ModelInput> list;
    for (std::size_t i = 0; i < array.size(); ++i) {
      const std::string at = element_pointer("/inputs", i);
      if (!array[i].is_object()) text_.fail(at, "expected an object, found " + describe(array[i]));
      known_keys(at, array[i], kInputKeys);
      ModelInput input{text_at(at + "/name", required(at, array[i], "name")),
                       shape_at(at + "/shape", required(at, array[i], "shape"))};
      if (array[i].contains("type")) {
        const std::string type = text_at(at + "/type", array[i]["type"]);
        if (type != "f32" && type != "i32") {
          text_.fail(at + "/type", "expected \"f32\" or \"i32\", found " + describe(type));
        }
        input.type = type == "i32" ? DType::i32 : DType::f32;
      }
      try {
        auto so_far = list;  // a model says what is wrong with a name
        so_far.push_back(input);
        Model::with_inputs(std::move(so_far));
      } catch (const ShapeError& error) {
        text_.fail(at, without_prefix(error.what(), "model 'model': "));
      }
      list.push_back(std::move(input));
    }
    return list;
  }

  Shape shape_at(const std::string& pointer, const Json& value) const {
    constexpr std::size_t kMostRank = SOMA_MAX_RANK - 1;  // the batch comes in front
    if (!value.is_array() || value.empty() || value.size() > kMostRank) {
      text_.fail(pointer, "expected an array of 1 to " + std::to_string(kMostRank) +
                              " positive integers, found " + describe(value));
    }
    Shape shape;
    std::int64_t left = kMostElements;
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string at = element_pointer(pointer, i);
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

  /// A name, or an object of a type and its options.
  Loss loss_at(const std::string& pointer, const Json& value) const {
    Attributes options;
    std::string name;
    if (value.is_object()) {
      name = text_at(pointer + "/type", required(pointer, value, "type"));
      for (const auto& [key, option] : value.items()) {
        if (key != "type") options.set(key, loss_option(member_pointer(pointer, key), key, option));
      }
    } else {
      name = text_at(pointer, value);
    }
    try {
      return loss_from_name(name, options);
    } catch (const ShapeError& error) {
      const std::string problem = without_prefix(error.what(), "loss: ");
      for (const auto& [key, option] : options.entries()) {
        if (problem.starts_with(key + ": "))
          text_.fail(member_pointer(pointer, key), problem.substr(key.size() + 2));
      }
      text_.fail(pointer, problem);
    }
  }

  /// Lists of numbers become a text of numbers.
  Attributes::Value loss_option(const std::string& pointer, const std::string& key,
                                const Json& value) const {
    if (value.is_array()) {
      std::string numbers;
      for (const Json& number : value) {
        if (!number.is_number()) text_.fail(pointer, "expected numbers, found " + describe(number));
        numbers += (numbers.empty() ? "" : " ") + number.dump();
      }
      return numbers;
    }
    const auto attribute = to_attribute(value);
    if (!attribute || value.is_boolean() != contains(kFlags, key)) {
      text_.fail(pointer, "expected another kind of value, found " + describe(value));
    }
    return *attribute;
  }

  void set_losses(Model& model, const Json& value) const {
    if (!value.is_array() || value.empty()) {
      text_.fail("/losses", "expected an array of one loss or more, found " + describe(value));
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string at = element_pointer("/losses", i);
      if (!value[i].is_object()) text_.fail(at, "expected an object, found " + describe(value[i]));
      known_keys(at, value[i], kLossKeys);
      const std::string output = text_at(at + "/output", required(at, value[i], "output"));
      for (std::size_t k = 0; k < i; ++k) {
        if (value[k]["output"] == output)
          text_.fail(at + "/output", "expected one loss for an output, found a second");
      }
      double weight = 1;
      if (value[i].contains("weight")) {
        if (!value[i]["weight"].is_number()) {
          text_.fail(at + "/weight", "expected a number, found " + describe(value[i]["weight"]));
        }
        weight = value[i]["weight"].get<double>();
      }
      const Loss loss = loss_at(at + "/loss", required(at, value[i], "loss"));
      fail_at(at, model, [&] { model.set_loss(loss, output, weight); });
    }
  }

  void set_outputs(Model& model, const Json& value) const {
    auto layers = texts_at("/outputs", value, "layer names");
    fail_at("/outputs", model, [&] { model.set_outputs(std::move(layers)); });
  }

  /// Calls `change`; what the model says against it becomes a complaint about that place.
  void fail_at(const std::string& pointer, const Model& model, const auto& change) const {
    try {
      change();
    } catch (const ShapeError& error) {
      std::string problem = without_prefix(error.what(), "model '" + model.name() + "'");
      if (problem.starts_with(", ") || problem.starts_with(": ")) problem.erase(0, 2);
      text_.fail(pointer, problem);
    }
  }

  /// The layers may stand in any order; the model has them in one in which they can be computed.
  void add_layers(Model& model, const Json& layers) const {
    std::vector<Entry> entries;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      entries.push_back(entry(entries, element_pointer("/layers", i), layers[i]));
      const Entry& e = entries.back();
      fail_at(e.pointer, model, [&] { check_name(model.state(), "layer", e.name); });
    }
    for (std::size_t i = 0; i < layers.size(); ++i) {
      Entry& e = entries[i];
      if (layers[i].contains("inputs")) {
        e.inputs = known_inputs(model, entries, e.pointer + "/inputs", layers[i]["inputs"]);
      } else {
        e.inputs = {i == 0 ? model.inputs()[0].name : entries[i - 1].name};
      }
    }
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (layers[i].contains("tie")) entries[i].tied_to = tied_layers(entries[i], layers[i]["tie"]);
    }
    for (const std::size_t i : sorted(entries)) add_layer(model, entries[i], layers[i]);
    const std::string& last = entries.back().name;
    if (model.outputs()[0].name != last) model.set_outputs({last});
  }

  Entry entry(const std::vector<Entry>& earlier, const std::string& pointer,
              const Json& layer) const {
    if (!layer.is_object()) text_.fail(pointer, "expected an object, found " + describe(layer));
    Entry e{pointer, text_at(pointer + "/type", required(pointer, layer, "type"))};
    if (!layer.contains("name")) {
      e.name = e.type + "_" + std::to_string(earlier.size() + 1);
      return e;
    }
    const Json& value = layer["name"];
    e.name = text_at(pointer + "/name", value);
    if (e.name.empty()) text_.fail(pointer + "/name", "expected a name, found \"\"");
    if (std::ranges::count(earlier, e.name, &Entry::name) > 0) {
      text_.fail(pointer + "/name", "expected a name of its own, found " + describe(value) +
                                        ", which an earlier layer has");
    }
    return e;
  }

  std::vector<std::string> known_inputs(const Model& model, const std::vector<Entry>& entries,
                                        const std::string& pointer, const Json& value) const {
    auto inputs = texts_at(pointer, value, "layer names");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (std::ranges::count(model.inputs(), inputs[i], &ModelInput::name) > 0 ||
          std::ranges::count(entries, inputs[i], &Entry::name) > 0) {
        continue;
      }
      std::string known;
      for (const ModelInput& input : model.inputs()) known += "\"" + input.name + "\", ";
      known.replace(known.size() - 2, 2, " ");
      text_.fail(element_pointer(pointer, i),
                 "expected " + known + "or the name of a layer, found " + describe(value[i]));
    }
    return inputs;
  }

  std::vector<std::size_t> sorted(const std::vector<Entry>& entries) const {
    std::vector<std::vector<std::size_t>> from;
    for (const Entry& e : entries) {
      auto& list = from.emplace_back();
      for (const auto* names : {&e.inputs, &e.tied_to}) {
        for (const std::string& name : *names) {
          const auto it = std::ranges::find(entries, name, &Entry::name);
          if (it != entries.end()) list.push_back(static_cast<std::size_t>(it - entries.begin()));
        }
      }
    }
    const LayerOrder found = layer_order(from);
    if (found.cycle.empty()) return found.order;
    std::string path;
    for (const std::size_t i : found.cycle) path += entries[i].name + " -> ";
    text_.fail(entries[found.cycle[0]].pointer,
               "layers " + path + entries[found.cycle[0]].name + " form a cycle");
  }

  void add_layer(Model& model, const Entry& e, const Json& layer) const {
    Attributes fields;
    for (const auto& [key, value] : layer.items()) {
      if (!contains(kLayerKeys, key)) {
        fields.set(key, field(e.type, member_pointer(e.pointer, key), layer, key));
      }
    }
    std::unique_ptr<Layer> made;
    try {
      made = make_layer(e.type, fields);
    } catch (const ShapeError& error) {
      fail_at_field(e.pointer, e.type, layer, error.what());
    }
    fail_at(e.pointer, model, [&] { model.add_layer(std::move(made), e.name, e.inputs); });
    if (layer.contains("tie")) add_ties(model, e, layer["tie"]);
  }

  /// The layers whose parameters a layer shares, which come before it.
  std::vector<std::string> tied_layers(const Entry& e, const Json& ties) const {
    const std::string at = e.pointer + "/tie";
    if (!ties.is_object() || ties.empty()) {
      text_.fail(at, "expected an object {\"weight\": \"layer.weight\"}, found " + describe(ties));
    }
    std::vector<std::string> layers;
    for (const auto& [parameter, target] : ties.items()) {
      const std::string to = text_at(member_pointer(at, parameter), target);
      layers.push_back(to.substr(0, to.find('.')));
    }
    return layers;
  }

  void add_ties(Model& model, const Entry& e, const Json& ties) const {
    for (const auto& [parameter, target] : ties.items()) {
      const std::string place = member_pointer(e.pointer + "/tie", parameter);
      const auto to = target.get<std::string>();
      fail_at(place, model, [&, &own = parameter] { model.tie(e.name + "." + own, to); });
    }
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
  const auto& takes = inputs();
  if (takes == std::vector{ModelInput{"input", input_shape()}}) {
    text += ",\n  \"input\": " + input_shape().str();
  } else {
    text += ",\n  \"inputs\": [";
    for (const ModelInput& input : takes) {
      text += std::string(&input == takes.data() ? "" : ",") +
              "\n    {\"name\":" + quoted(input.name) + ",\"shape\":" + input.shape.str();
      if (input.type != DType::f32) text += ",\"type\":" + quoted(name_of(input.type));
      text += "}";
    }
    text += "\n  ]";
  }
  const auto gives = outputs();
  const auto views = layers();
  if (gives.size() > 1 || (!gives.empty() && gives[0].name != views.back().name)) {
    Json names = Json::array();
    for (const ModelOutput& output : gives) names.push_back(output.name);
    text += ",\n  \"outputs\": " + names.dump();
  }
  const auto minimised = losses();
  if (minimised.size() == 1 && minimised[0].weight == 1 &&
      (gives.empty() || minimised[0].output == gives[0].name)) {
    text += ",\n  \"loss\": " + loss_json(loss()).dump();
  } else {
    text += ",\n  \"losses\": [";
    for (const OutputLoss& on : minimised) {
      Json one;
      one["output"] = on.output;
      one["loss"] = loss_json(on.loss);
      if (on.weight != 1) one["weight"] = on.weight;
      text += std::string(&on == minimised.data() ? "" : ",") + "\n    " + one.dump();
    }
    text += "\n  ]";
  }
  text += ",\n  \"layers\": [";
  std::string previous = takes[0].name;
  const char* separator = "\n";
  for (const LayerView& view : views) {
    Json layer;
    layer["type"] = view.layer->type();
    layer["name"] = view.name;
    if (view.inputs != std::vector{previous}) layer["inputs"] = view.inputs;
    const Attributes attributes = view.layer->attributes();
    for (const auto& [key, value] : attributes.entries()) layer[key] = soma::to_json(key, value);
    for (const auto& [parameter, target] : view.ties) layer["tie"][parameter] = target;
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

namespace {

Model named_model(const std::string& name_or_file, const Dataset* data) {
  if (auto model = make_builtin(name_or_file, data)) return std::move(*model);
  if (fs::exists(name_or_file)) return Model::from_json(read_text(name_or_file), name_or_file);
  std::string known;
  for (const std::string& name : Model::builtin_names()) known += name + ", ";
  throw FormatError("model '" + name_or_file + "': expected " + known +
                    "or a JSON file, found no file of that name");
}

}  // namespace

Model Model::named(const std::string& name_or_file) { return named_model(name_or_file, nullptr); }

Model Model::named(const std::string& name_or_file, const Dataset& data) {
  return named_model(name_or_file, &data);
}

}  // namespace soma
