#include "inspect/subject.hpp"

#include <algorithm>
#include <cmath>

#include "model/parameters.hpp"
#include "soma/examination.hpp"

namespace soma {
namespace {

/// What a layer's output comes from. Blocks have their activation inside; of recurrent layers only
/// the plain one has a choice, the states of the others are below 1 like those of tanh.
std::string activation_of(const Layer& layer) {
  const std::string_view type = layer.type();
  const Attributes said = layer.attributes();  // defaults left out
  if (type == "activation") return said.text("function", "relu");
  if (type == "prelu") return "prelu";
  if (type == "rnn") return said.text("activation", "tanh");
  if (type == "lstm" || type == "gru") return "tanh";
  if (type.starts_with("transformer")) return "";
  return said.text("activation", "");
}

std::vector<std::size_t> weights_of(const Model& model, const std::string& layer) {
  std::vector<std::size_t> list;
  int rank = 0;
  const auto& parameters = model.parameters();
  for (const bool choose : {false, true}) {
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      const std::string& name = parameters[p].name;
      const bool own = parameters[p].trainable && name.size() > layer.size() &&
                       name.starts_with(layer) && name[layer.size()] == '.';
      if (!own) continue;
      const int axes = std::min(2, parameters[p].value.shape().rank());
      if (!choose) rank = std::max(rank, axes);
      if (choose && axes == rank) list.push_back(p);
    }
  }
  return list;
}

}  // namespace

std::vector<LayerSubject> subjects_of(const Model& model) {
  std::vector<LayerSubject> list;
  const auto losses = model.losses();
  for (const Model::LayerView& view : model.layers()) {
    LayerSubject s;
    s.name = view.name;
    s.type = view.layer->type();
    s.activation = activation_of(*view.layer);
    s.is_output =
        std::ranges::any_of(losses, [&](const OutputLoss& on) { return on.output == view.name; });
    s.weights = weights_of(model, view.name);
    s.is_judged = !s.weights.empty() || !s.activation.empty();
    list.push_back(std::move(s));
  }
  // A model's output may go through layers that only change its shape.
  const auto views = model.layers();
  for (std::size_t i = views.size(); i-- > 0;) {
    if (!list[i].is_output || list[i].is_judged) continue;
    for (std::size_t j = 0; j < i; ++j) {
      list[j].is_output |= std::ranges::count(views[i].inputs, views[j].name) > 0;
    }
  }
  return list;
}

std::vector<LayerSigns> signs_of(const Model& model) {
  std::vector<LayerSigns> list;
  for (const LayerSubject& s : subjects_of(model)) {
    list.push_back({.layer = s.name, .activation = s.activation, .is_output = s.is_output});
  }
  return list;
}

std::optional<double> change_of(const Model& before, const Model& after,
                                const std::vector<std::size_t>& which) {
  double changed = 0, squares = 0;
  for (const std::size_t p : which) {
    const auto old = before.parameters()[p].value.as<float>();
    const Tensor& value = after.parameters()[p].value;
    const auto now = value.as<float>();
    for (std::size_t i = 0; i < old.size(); ++i) {
      const double d = double{now[i]} - old[i];
      changed += d * d;
      squares += double{old[i]} * old[i];
    }
  }
  if (!(squares > 0)) return std::nullopt;
  return std::sqrt(changed / squares);
}

std::optional<double> weight_change(const Model& before, const Model& after,
                                    std::string_view layer) {
  return change_of(before, after, weights_of(before, std::string(layer)));
}

Model copy_of(const Model& model) {
  Model copy = Model::from_json(model.to_json());
  make_parameters(copy);
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    copy.parameters()[i].value = model.parameters()[i].value.clone();
  }
  return copy;
}

}  // namespace soma
