#pragma once

#include <string>
#include <vector>

#include "plugins/rejection.hpp"
#include "soma/abi.h"
#include "soma/plugins.hpp"

namespace soma::plugins {

/// What a plugin brings, copied out of its tables: what an older plugin does not know is NULL.
/// The strings and functions stay the plugin's, which is never unloaded.
struct Manifest {
  std::string name, version;
  std::vector<soma_backend> backends;
  std::vector<soma_activation> activations;
  std::vector<soma_layer> layers;
  std::vector<soma_loss> losses;
  std::vector<soma_optimizer> optimizers;

  /// Its tables of one kind.
  template <class Table>
  const std::vector<Table>& tables() const;

  /// "backend", "activation", "layer", "loss", "optimizer", or several joined by '+'.
  std::string kind() const;
  std::vector<Brought> brings() const;
};

template <>
inline const std::vector<soma_backend>& Manifest::tables() const {
  return backends;
}
template <>
inline const std::vector<soma_activation>& Manifest::tables() const {
  return activations;
}
template <>
inline const std::vector<soma_layer>& Manifest::tables() const {
  return layers;
}
template <>
inline const std::vector<soma_loss>& Manifest::tables() const {
  return losses;
}
template <>
inline const std::vector<soma_optimizer>& Manifest::tables() const {
  return optimizers;
}

/// Reads the tables no further than their struct_size and checks that the host can work with them.
/// Codes: abi_version (a table of another major version), bad_table.
Rejection read_manifest(const soma_plugin& table, Manifest* manifest);

}  // namespace soma::plugins
