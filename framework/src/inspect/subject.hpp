#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soma/model.hpp"

namespace soma {

/// What an examination needs to know about a layer of the model.
struct LayerSubject {
  std::string name, type;
  std::string activation;  ///< that its output comes from; "" for none
  bool is_output = false;
  bool is_judged = false;
  std::vector<std::size_t> weights;  ///< numbers of its parameters that it is judged by
};

/// All layers, in the model's order.
std::vector<LayerSubject> subjects_of(const Model& model);

/// Norm of what `after` has more than `before`, by that of `before`, over some parameters; nothing
/// if that is 0.
std::optional<double> change_of(const Model& before, const Model& after,
                                const std::vector<std::size_t>& which);

/// With the same weights.
Model copy_of(const Model& model);

}  // namespace soma
