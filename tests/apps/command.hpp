#pragma once

#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

using Words = std::vector<std::string>;

/// A folder of its own for a test, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// What the command did.
struct Outcome {
  int exit_code = 0;  ///< minus the signal if one ended it
  std::string out, err;

  /// stdout as JSON; discarded (see is_discarded()) if it is not one JSON value.
  nlohmann::json json() const;
};

/// The real command as a child process. Its stdin is empty.
class Command {
 public:
  /// Starts it with `folder` as its working directory. `program` defaults to soma itself.
  Command(const Words& arguments, const std::filesystem::path& folder);
  /// Kills it if it still runs.
  ~Command();
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  void signal(int number) const;
  bool running();
  /// Waits for the end; after `timeout_seconds` it is killed (exit code -9).
  Outcome wait(double timeout_seconds = 120);

 private:
  bool reap(bool block);

  TemporaryFolder files_;
  pid_t child_ = 0;
  int status_ = 0;
  bool ended_ = false;
};

/// Runs it to its end.
Outcome soma_command(const Words& arguments, const std::filesystem::path& folder);

/// The command line as one would type it, for failure messages.
std::string command_line(const Words& arguments);

/// The backends that this build has.
const Words& built_backends();

std::string read_text(const std::filesystem::path& file);
void write_text(const std::filesystem::path& file, const std::string& text);
