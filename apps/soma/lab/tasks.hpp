#pragma once

#include <cstdint>
#include <vector>

#include "random.hpp"

namespace lab {

/// Samples x [count, inputs] and targets, for experiments that need a task and not a data set.
struct Task {
  std::vector<float> x, targets;
  std::int64_t count = 0, inputs = 0;
};

/// Numbers 0 and 1: which side of a curved surface a point lies on; both about as often.
inline Task curved_classes(std::uint64_t seed, std::int64_t count, std::int64_t inputs) {
  Random random(seed, "lab.curved");
  Task task{{}, {}, count, inputs};
  for (std::int64_t i = 0; i < count; ++i) {
    const auto x = random.normals(inputs);
    double sum = 0;
    for (std::size_t k = 0; k + 1 < x.size(); ++k) sum += x[k] * x[k + 1];
    task.x.insert(task.x.end(), x.begin(), x.end());
    task.targets.push_back(sum > 0 ? 1.0f : 0.0f);
  }
  return task;
}

}  // namespace lab
