#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

/// An empty folder of its own that goes away with this object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }
  /// Copies fixture plugin `fixture` to libsoma_<as>.so in here (as "" means its own name).
  std::filesystem::path add(const std::string& fixture, const std::string& as = "") const;

 private:
  std::filesystem::path path_;
};

/// The file of a fixture plugin.
std::filesystem::path fixture_file(const std::string& fixture);

std::string read_bytes(const std::filesystem::path& file);
void write_bytes(const std::filesystem::path& file, const std::string& bytes);

/// Runs plugin_lister in `folder` with these arguments and extra environment variables; throws if
/// it does not exit with 0.
nlohmann::json run_lister(const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment = {},
                          const std::filesystem::path& folder = "/");

/// The record of that path in a list of records; null if there is none.
nlohmann::json record_of(const nlohmann::json& plugins, const std::filesystem::path& file);

/// Calls of operator new in this process so far.
long allocation_count() noexcept;
