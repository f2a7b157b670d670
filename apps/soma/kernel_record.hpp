#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "soma/conformance/data.hpp"

/// One kernel of a training step that ran, as a child process tells it to its parent: what it is in
/// JSON, its numbers in a file.
struct KernelRecord {
  std::int64_t step = 0;           ///< from 1
  std::int64_t epoch = 0;          ///< from 1
  std::int64_t step_in_epoch = 0;  ///< from 1
  std::int64_t number = 0;         ///< among the kernels of the step, from 1
  std::int64_t kernels = 0;        ///< of a step
  std::string layer;               ///< or "optimizer"
  std::string phase;               ///< forward, backward, update
  std::string implementation;
  bool exact = false;
  bool plugin = false;  ///< computed by a plugin's activation, layer, loss or optimizer
  soma::Op op;
  soma::conformance::Operands operands;  ///< as they were before
  std::vector<soma::conformance::Array> outputs;

  /// All but the numbers.
  nlohmann::ordered_json to_json() const;
  static KernelRecord from_json(const nlohmann::ordered_json& fields);
  /// The numbers, from one file of bytes: inputs, then outputs.
  void read_numbers(const std::filesystem::path& file);
};
