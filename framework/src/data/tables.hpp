#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "data/csv.hpp"

namespace soma::data {

/// A well-known table, as it is published: without a header.
struct NamedTable {
  std::string name, summary;
  std::string place;  ///< under folder()
  TableDefaults defaults;
};

std::span<const NamedTable> named_tables();

/// Loads the table that the SPEC names.
DataSplit load_named_table(Spec spec, const LoadOptions& options,
                           const std::filesystem::path& place);

/// Ends the message about a named set that is not there: how to get it.
std::string how_to_get(const std::string& name);

}  // namespace soma::data
