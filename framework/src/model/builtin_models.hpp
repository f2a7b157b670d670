#pragma once

#include <string_view>

#include "soma/model.hpp"

/// What the files that define built-in models share.
namespace soma {

/// What a model that takes any data is made for: samples and, for each, so many logits or numbers.
struct Task {
  Shape sample = {28, 28, 1};
  std::int64_t outputs = 10;
  Loss loss = Loss::softmax_cross_entropy;
  DType type = DType::f32;  ///< of the samples
  bool given = false;       ///< by data

  /// For models of images [H,W,C]: the task where its samples are such, else `image`.
  Task of_images(const Shape& image = {28, 28, 1}) const {
    return given && sample.rank() == 3 ? *this : Task{image};
  }
};

struct Builtin {
  std::string_view name;
  Model (*make)(const Task& task);
};

// In the file of the same name, in the order in which they are listed.
std::span<const Builtin> builtin_classifiers();
std::span<const Builtin> builtin_residual_nets();
std::span<const Builtin> builtin_sequence_models();
std::span<const Builtin> builtin_autoencoders();

}  // namespace soma
