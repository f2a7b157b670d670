#include "command.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "soma-apps-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make a folder");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

nlohmann::json Outcome::json() const { return nlohmann::json::parse(out, nullptr, false); }

Command::Command(const Words& arguments, const fs::path& folder) {
  Words words = {"soma"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, (files_ / "out").c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addopen(&actions, 2, (files_ / "err").c_str(), O_WRONLY | O_CREAT, 0600);
  posix_spawn_file_actions_addchdir_np(&actions, folder.c_str());
  const int error = posix_spawn(&child_, SOMA_COMMAND, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) throw std::runtime_error("cannot start " SOMA_COMMAND);
}

Command::~Command() {
  if (ended_) return;
  signal(SIGKILL);
  reap(true);
}

void Command::signal(int number) const {
  if (!ended_) kill(child_, number);
}

bool Command::reap(bool block) {
  if (!ended_) ended_ = waitpid(child_, &status_, block ? 0 : WNOHANG) == child_;
  return ended_;
}

bool Command::running() { return !reap(false); }

Outcome Command::wait(double timeout_seconds) {
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::duration<double>(timeout_seconds);
  while (running()) {
    if (std::chrono::steady_clock::now() > end) {
      signal(SIGKILL);
      reap(true);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return {WIFEXITED(status_) ? WEXITSTATUS(status_) : -WTERMSIG(status_), read_text(files_ / "out"),
          read_text(files_ / "err")};
}

Outcome soma_command(const Words& arguments, const fs::path& folder) {
  return Command(arguments, folder).wait();
}

std::string command_line(const Words& arguments) {
  std::string text = "soma";
  for (const std::string& word : arguments) text += " " + word;
  return text;
}

const Words& built_backends() {
  static const Words names = [] {
    Words list;
    std::istringstream in(SOMA_BACKENDS);
    for (std::string name; std::getline(in, name, ',');) list.push_back(name);
    return list;
  }();
  return names;
}

std::string read_text(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_text(const fs::path& file, const std::string& text) {
  std::ofstream(file, std::ios::binary) << text;
}
