#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

/// How a built-in model is trained when the command line does not say, on which data, and what it
/// should reach: `soma models` lists them, framework/docs/models.md has what was measured.
struct Recipe {
  std::string_view model;
  std::string_view data;       ///< SPEC of the set that the figure is of
  std::string_view optimizer;  ///< "momentum" for sgd with it, or one of soma::optimizer_names()
  double learning_rate = 0;
  std::int64_t batch = 32;
  std::int64_t epochs = 1;
  std::int64_t updates = 0;  ///< of a small set, more epochs: as many as make about so many
  std::int64_t steps = 0;    ///< if > 0, counts instead of epochs
  std::string_view schedule = {};
  std::string_view augmentation = {};
  double weight_decay = -1;  ///< below 0: the optimizer's own
  double clip_norm = 0;      ///< 0: none
  double prior = 0;  ///< an l2 of this by the number of samples: what holds weights back where
                     ///< there are few
  bool reconstructs = false;  ///< its targets are its inputs
  std::string_view figure = {};
};

std::span<const Recipe> recipes();
/// That of a built-in model, for others Adam 1e-3 on batches of 32.
const Recipe& recipe_for(std::string_view model);

/// Passes over so many samples that the recipe takes.
std::int64_t epochs_of(const Recipe& recipe, std::int64_t samples, std::int64_t batch);
/// The SPEC with "target=input", if the model wants that and the SPEC names no target.
std::string fitting_data(const Recipe& recipe, const std::string& spec);
