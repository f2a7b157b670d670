#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "io/safetensors.hpp"
#include "model/parameters.hpp"
#include "self_test.hpp"
#include "soma/error.hpp"
#include "soma/model.hpp"
#include "soma/version.hpp"

namespace soma {

namespace {

constexpr const char* kModelKey = "soma_model";
constexpr const char* kVersionKey = "soma_version";
constexpr const char* kRecordsKey = "soma_records";

io::Element element_of(const Tensor& tensor) {
  return tensor.dtype() == DType::i32 ? io::Element::i32 : io::Element::f32;
}

io::TensorEntry entry_of(std::string name, const Tensor& tensor) {
  const auto dims = tensor.shape().dims();
  return {std::move(name), element_of(tensor), {dims.begin(), dims.end()}, tensor.data()};
}

/// The names of the self-test's tensors, inputs first.
std::vector<std::string> self_test_names(const Model& model) {
  std::vector<std::string> names;
  const auto& inputs = model.inputs();
  const auto outputs = model.outputs();
  for (const ModelInput& i : inputs)
    names.push_back(self_test_name("input", i.name, inputs.size()));
  for (const ModelOutput& o : outputs) {
    names.push_back(self_test_name("output", o.name, outputs.size()));
  }
  return names;
}

std::string shape_text(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t dim : dims) text += (text.empty() ? "" : ",") + std::to_string(dim);
  return "[" + text + "]";
}

/// Copies the tensors of one file out; every complaint names the file.
class ModelFileReader {
 public:
  explicit ModelFileReader(const std::filesystem::path& file) : reader_(file) {}

  Model read() {
    const auto json = reader_.metadata().find(kModelKey);
    if (json == reader_.metadata().end()) {
      fail(std::string("expected a model in the metadata '") + kModelKey + "', found none");
    }
    Model model =
        Model::from_json(json->second, reader_.file().string() + ": " + std::string(kModelKey));
    make_parameters(model);
    for (Parameter& parameter : model.parameters()) copy(parameter.name, parameter.value);
    const bool tested = read_self_test(model);
    for (const io::TensorEntry& tensor : reader_.tensors()) {
      if (!used_.contains(tensor.name)) {
        fail("expected the tensors of the model only, found '" + tensor.name + "'");
      }
    }
    if (tested) run_self_test(model);
    read_records(model);
    return model;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(reader_.file().string() + ": " + problem);
  }

  void copy(const std::string& name, Tensor& to) {
    const io::TensorEntry* from = reader_.find(name);
    if (from == nullptr) {
      fail("expected a tensor '" + name + "' " + to.shape().str() + ", found none");
    }
    const io::Element element = element_of(to);
    if (from->element != element || !std::ranges::equal(from->shape, to.shape().dims())) {
      fail("tensor '" + name + "': expected " + io::name_of(element) + " " + to.shape().str() +
           ", found " + io::name_of(from->element) + " " + shape_text(from->shape));
    }
    if (to.size_bytes() > 0) std::memcpy(to.data(), from->data, to.size_bytes());
    used_.insert(name);
  }

  /// True if the file has a self-test, which is then in test_.
  bool read_self_test(const Model& model) {
    const bool there = std::ranges::any_of(reader_.tensors(), [](const io::TensorEntry& tensor) {
      return tensor.name.starts_with("selftest.");
    });
    if (!there) return false;
    names_ = self_test_names(model);
    for (const ModelInput& input : model.inputs())
      test_.inputs.emplace_back(input.shape, input.type);
    for (const ModelOutput& output : model.outputs()) test_.outputs.emplace_back(output.shape);
    std::size_t name = 0;
    for (auto* tensors : {&test_.inputs, &test_.outputs}) {
      for (Tensor& tensor : *tensors) copy(names_[name++], tensor);
    }
    return true;
  }

  void read_records(Model& model) const {
    const auto json = reader_.metadata().find(kRecordsKey);
    if (json == reader_.metadata().end()) return;
    RecordFormat format = RecordFormat::from_json(
        json->second, reader_.file().string() + ": " + std::string(kRecordsKey));
    if (format.takes_records() && format.inputs() != model.input_shape().elements()) {
      fail("expected a record format of " + std::to_string(model.input_shape().elements()) +
           " inputs, found one of " + std::to_string(format.inputs()));
    }
    model.set_record_format(std::move(format));
  }

  void run_self_test(const Model& model) const {
    std::vector<Tensor> computed;
    try {
      computed = self_test_outputs(model, test_.inputs);
    } catch (const PluginError&) {
      return;  // this installation lacks the backend whose bits the file holds
    }
    for (std::size_t output = 0; output < computed.size(); ++output) {
      compare(computed.size() == 1 ? "" : names_[test_.inputs.size() + output] + ", ",
              test_.outputs[output].as<float>(), std::as_const(computed[output]).as<float>());
    }
  }

  void compare(const std::string& where, std::span<const float> expected,
               std::span<const float> found) const {
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const bool same = std::isnan(expected[i])
                            ? std::isnan(found[i])
                            : std::memcmp(&expected[i], &found[i], sizeof(float)) == 0;
      if (!same) {
        fail("self-test: " + where + "output " + std::to_string(i) + ": expected " +
             std::to_string(expected[i]) + ", found " + std::to_string(found[i]) +
             ": the weights were changed or this build computes differently");
      }
    }
  }

  io::SafetensorsReader reader_;
  std::set<std::string> used_;
  SelfTest test_;
  std::vector<std::string> names_;  // of its tensors
};

}  // namespace

void Model::save(const std::filesystem::path& file) const {
  std::vector<io::TensorEntry> tensors;
  for (const Parameter& parameter : parameters()) {
    tensors.push_back(entry_of(parameter.name, parameter.value));
  }
  SelfTest test;
  try {
    test = make_self_test(*this);
    std::size_t name = 0;
    const auto names = self_test_names(*this);
    for (const auto* list : {&test.inputs, &test.outputs}) {
      for (const Tensor& tensor : *list) tensors.push_back(entry_of(names[name++], tensor));
    }
  } catch (const PluginError&) {
    // Without the reference backend the file is whole all the same, only without a self-test.
  }
  io::Metadata metadata = {{kModelKey, to_json()}, {kVersionKey, version()}};
  if (record_format() != RecordFormat()) metadata[kRecordsKey] = record_format().to_json();
  io::write_safetensors(file, tensors, metadata);
}

Model Model::load(const std::filesystem::path& file) { return ModelFileReader(file).read(); }

}  // namespace soma
