#include "model/builtin.hpp"

#include <vector>

#include "model/builtin_models.hpp"

namespace soma {
namespace {

Task task_of(const Dataset* data) {
  if (data == nullptr) return {};
  const DType type = data->inputs()[0].type;
  if (data->is_classification()) {
    return {data->sample_shape(), data->classes(), Loss::softmax_cross_entropy, type, true};
  }
  return {data->sample_shape(), data->target_shape().elements(), Loss::mean_squared_error, type,
          true};
}

const std::vector<Builtin>& all() {
  static const std::vector<Builtin> list = [] {
    std::vector<Builtin> models;
    for (const auto& kind : {builtin_classifiers(), builtin_residual_nets(),
                             builtin_sequence_models(), builtin_autoencoders()}) {
      models.insert(models.end(), kind.begin(), kind.end());
    }
    return models;
  }();
  return list;
}

}  // namespace

std::optional<Model> make_builtin(std::string_view name, const Dataset* data) {
  for (const Builtin& model : all()) {
    if (model.name == name) return model.make(task_of(data));
  }
  return std::nullopt;
}

std::vector<std::string> Model::builtin_names() {
  std::vector<std::string> names;
  for (const Builtin& model : all()) names.emplace_back(model.name);
  return names;
}

}  // namespace soma
