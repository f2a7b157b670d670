#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <string>

#include "io/safetensors.hpp"
#include "self_test.hpp"
#include "soma/error.hpp"
#include "soma/model.hpp"
#include "soma/version.hpp"

namespace soma {

namespace {

constexpr const char* kModelKey = "soma_model";
constexpr const char* kVersionKey = "soma_version";
constexpr const char* kTestInput = "selftest.input";
constexpr const char* kTestOutput = "selftest.output";

io::TensorEntry entry_of(std::string name, const Tensor& tensor) {
  const auto dims = tensor.shape().dims();
  return {std::move(name), io::Element::f32, {dims.begin(), dims.end()}, tensor.data()};
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
    model.initialize(0);  // makes the tensors that the file's values overwrite
    for (Parameter& parameter : model.parameters()) copy(parameter.name, parameter.value);
    const bool tested = read_self_test(model);
    for (const io::TensorEntry& tensor : reader_.tensors()) {
      if (!used_.contains(tensor.name)) {
        fail("expected the tensors of the model only, found '" + tensor.name + "'");
      }
    }
    if (tested) run_self_test(model);
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
    if (from->element != io::Element::f32 || !std::ranges::equal(from->shape, to.shape().dims())) {
      fail("tensor '" + name + "': expected F32 " + to.shape().str() + ", found " +
           io::name_of(from->element) + " " + shape_text(from->shape));
    }
    if (to.size_bytes() > 0) std::memcpy(to.data(), from->data, to.size_bytes());
    used_.insert(name);
  }

  bool read_self_test(const Model& model) {
    if (reader_.find(kTestInput) == nullptr && reader_.find(kTestOutput) == nullptr) return false;
    input_ = Tensor(model.input_shape());
    output_ = Tensor(model.output_shape());
    copy(kTestInput, input_);
    copy(kTestOutput, output_);
    return true;
  }

  void run_self_test(const Model& model) const {
    Tensor computed;
    try {
      computed = self_test_output(model, input_);
    } catch (const PluginError&) {
      return;  // this installation lacks the backend whose bits the file holds
    }
    const auto expected = output_.as<float>(), found = std::as_const(computed).as<float>();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const bool same = std::isnan(expected[i])
                            ? std::isnan(found[i])
                            : std::memcmp(&expected[i], &found[i], sizeof(float)) == 0;
      if (!same) {
        fail("self-test: output " + std::to_string(i) + ": expected " +
             std::to_string(expected[i]) + ", found " + std::to_string(found[i]) +
             ": the weights were changed or this build computes differently");
      }
    }
  }

  io::SafetensorsReader reader_;
  std::set<std::string> used_;
  Tensor input_, output_;
};

}  // namespace

void Model::save(const std::filesystem::path& file) const {
  std::vector<io::TensorEntry> tensors;
  for (const Parameter& parameter : parameters()) {
    tensors.push_back(entry_of(parameter.name, parameter.value));
  }
  const Tensor input = self_test_input(*this);
  Tensor output;
  try {
    output = self_test_output(*this, input);
    tensors.push_back(entry_of(kTestInput, input));
    tensors.push_back(entry_of(kTestOutput, output));
  } catch (const PluginError&) {
    // Without the reference backend the file is whole all the same, only without a self-test.
  }
  io::write_safetensors(file, tensors, {{kModelKey, to_json()}, {kVersionKey, version()}});
}

Model Model::load(const std::filesystem::path& file) { return ModelFileReader(file).read(); }

}  // namespace soma
