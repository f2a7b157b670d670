#pragma once

#include <string_view>
#include <vector>

#include "soma/model.hpp"
#include "soma/philox.hpp"

namespace soma {

/// Numbers in [-1, 1), drawn.
inline std::vector<float> drawn(std::size_t count, std::string_view name = "numbers") {
  const PhiloxStream stream(7, name);
  std::vector<float> values(count);
  for (std::uint32_t i = 0; i < count; ++i) values[i] = 2 * stream.uniform(0, i) - 1;
  return values;
}

/// Gives every parameter numbers of its own, within `size`, variances positive ones: nothing is 0
/// by chance.
inline void draw_parameters(Model& net, float size = 0.6f) {
  net.initialize(3);
  for (Parameter& p : net.parameters()) {
    const auto values = drawn(static_cast<std::size_t>(p.value.elements()), p.name);
    auto to = p.value.as<float>();
    const bool variance = p.name.ends_with("running_var");
    for (std::size_t i = 0; i < to.size(); ++i) {
      to[i] = variance ? 0.5f + 0.4f * values[i] : size * values[i];
    }
    ++p.version;
  }
}

}  // namespace soma
