#include "support.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string name = (fs::temp_directory_path() / "soma_plugins_XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
  path_ = fs::canonical(name);
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

fs::path TemporaryFolder::add(const std::string& fixture, const std::string& as) const {
  const fs::path to = path_ / ("libsoma_" + (as.empty() ? fixture : as) + ".so");
  fs::copy_file(fixture_file(fixture), to);
  return to;
}

fs::path fixture_file(const std::string& fixture) {
  return fs::path(FIXTURE_FOLDER) / ("libsoma_" + fixture + ".so");
}

std::string read_bytes(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

void write_bytes(const fs::path& file, const std::string& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc) << bytes;
}

nlohmann::json run_lister(const std::vector<std::string>& arguments,
                          const std::map<std::string, std::string>& environment,
                          const fs::path& folder) {
  static const TemporaryFolder cache;  // of this test program alone
  std::string command = "cd '" + folder.string() +
                        "' && env -u SOMA_PLUGIN_PATH 'XDG_CACHE_HOME=" + cache.path().string() +
                        "'";
  for (const auto& [name, value] : environment) command += " '" + name + "=" + value + "'";
  command += std::string(" '") + PLUGIN_LISTER + "'";
  for (const std::string& argument : arguments) command += " '" + argument + "'";

  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " + command);
  std::string output;
  char piece[4096];
  for (std::size_t n; (n = std::fread(piece, 1, sizeof piece, pipe)) > 0;) output.append(piece, n);
  const int status = pclose(pipe);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error("status " + std::to_string(status) + " from " + command);
  }
  return nlohmann::json::parse(output);
}

nlohmann::json record_of(const nlohmann::json& plugins, const fs::path& file) {
  for (const auto& record : plugins) {
    if (record.at("path") == file.string()) return record;
  }
  return nullptr;
}
