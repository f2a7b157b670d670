#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "soma/backend.hpp"
#include "soma/model.hpp"
#include "soma/optimizer.hpp"

namespace soma::conformance {

/// A small network that is always trained alike: together they use every family of layers.
struct Net {
  std::string name;
  Model (*make)();
  Optimizer optimizer;
  std::int64_t batch;
};
const std::vector<Net>& training_nets();

/// A dense net of two layers with that activation between them: a plugin's, for example.
Model net_with_activation(const std::string& activation);

/// What training left behind.
struct Trained {
  std::string weights_sha256;
  std::vector<double> losses;
};

/// Trains `model` for `steps` updates on made-up batches that follow from seed and step. Throws
/// what the trainer throws, UnsupportedError with all the ops that the backend lacks among it.
Trained train(Model model, const Optimizer& optimizer, std::int64_t batch, const Backend& backend,
              int threads, int steps, std::uint64_t seed);

}  // namespace soma::conformance
