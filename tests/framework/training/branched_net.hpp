#pragma once

#include "soma/philox.hpp"
#include "soma/trainer.hpp"

namespace soma {

constexpr std::int64_t kBranchedBatch = 5;

inline Backend exact_backend(const std::string& name) {
  return backend(name, {.numerics = Numerics::exact});
}

/// A small net with a skip connection: flat, first -> a -> b; sum of a and b -> out, 3 classes.
inline Model branched_net() {
  Model net({2, 4}, "branched");
  net.add(Flatten{}, "flat").add(Dense{.units = 6, .activation = "relu"}, "first");
  net.add(Dense{.units = 6, .activation = "tanh"}, "a").add(Dense{.units = 6}, "b");
  net.add(Add{}, "sum", {"a", "b"}).add(Dense{.units = 3}, "out");
  return net;
}

inline std::vector<float> branched_inputs() {
  const PhiloxStream stream(5, "branched");
  std::vector<float> inputs;
  for (std::uint32_t i = 0; i < kBranchedBatch * 8; ++i) {
    inputs.push_back(2 * stream.uniform(0, i) - 1);
  }
  return inputs;
}

inline std::vector<std::int32_t> branched_labels() { return {0, 1, 2, 1, 0}; }

}  // namespace soma
