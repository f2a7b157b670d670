#include "certify/layer_subject.hpp"

#include <algorithm>

#include "certify/questions.hpp"
#include "soma/error.hpp"
#include "soma/layers.hpp"
#include "soma/plugins.hpp"

namespace soma::conformance {
namespace {

constexpr std::int64_t kClasses = 5;

const soma_layer& table_of(const std::string& name) {
  const soma_layer* table = find_layer_plugin(name);
  if (table == nullptr) throw PluginError("layer '" + name + "' is not ready");
  return *table;
}

std::string name_of(const Shape& sample) {
  std::string text;
  for (const std::int64_t extent : sample.dims()) {
    text += (text.empty() ? "" : "x") + std::to_string(extent);
  }
  return text;
}

}  // namespace

bool is_composed(const std::string& name) { return table_of(name).compose != nullptr; }

std::vector<TensorInfo> LayerInputs::batch(std::int64_t size) const {
  std::vector<TensorInfo> list;
  for (const Shape& sample : samples) list.push_back({dtype, sample.batched(size)});
  return list;
}

LayerSubject::LayerSubject(const std::string& name, const CertifyOptions& options)
    : name_(name), table_(&table_of(name)), fields_(options.fields) {
  if (!options.inputs.empty()) {
    LayerInputs given;
    for (const TensorInfo& input : options.inputs) {
      given.name += (given.name.empty() ? "" : "_") + name_of(input.shape);
      given.samples.push_back(input.shape);
      given.dtype = input.dtype;
    }
    candidates_ = {given};
    return;
  }
  const auto count = static_cast<std::size_t>(std::max(1, table_->input_count));
  for (const Shape& sample : {Shape{12}, Shape{1}, Shape{33}, Shape{7, 5}, Shape{6, 5, 4}}) {
    candidates_.push_back({name_of(sample), std::vector<Shape>(count, sample)});
  }
}

std::vector<soma_attribute> LayerSubject::options() const {
  return option_values(table_->options, table_->option_count, fields_);
}

std::string LayerSubject::no_input() const {
  return "expected it to take samples of one of the shapes [12], [1], [33], [7,5], [6,5,4] with "
         "the fields it "
         "was given; --input SHAPE and --fields JSON name others";
}

std::unique_ptr<Layer> LayerSubject::make() const {
  return make_layer(name_, chosen_options(table_->options, table_->option_count, fields_));
}

Model LayerSubject::net(const LayerInputs& inputs) const {
  if (inputs.dtype != DType::f32) {
    throw UnsupportedError("networks on token ids are not part of this level");
  }
  Model model(inputs.samples[0], "layer");
  std::vector<std::string> from;
  for (std::size_t i = 0; i < inputs.samples.size(); ++i) {
    from.push_back("in" + std::to_string(i));
    model.add(Activation{i % 2 == 0 ? "tanh" : "sigmoid"}, from.back(), {"input"});
  }
  model.add_layer(make(), "subject", from);
  model.add(Flatten{}).add(Dense{.units = kClasses});
  return model;
}

}  // namespace soma::conformance
