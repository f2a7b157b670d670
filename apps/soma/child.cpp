#include "child.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "globals.hpp"
#include "soma/error.hpp"

namespace {

constexpr const char* kSelf = "/proc/self/exe";
constexpr int kSignalOffset = 128;  // as shells count

/// SIGINT from the terminal goes to the child too; the child decides what it means, as in
/// system(3).
class IgnoreInterrupt {
 public:
  IgnoreInterrupt() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGINT, &ignore, &old_);
  }
  ~IgnoreInterrupt() { sigaction(SIGINT, &old_, nullptr); }
  IgnoreInterrupt(const IgnoreInterrupt&) = delete;
  IgnoreInterrupt& operator=(const IgnoreInterrupt&) = delete;

 private:
  struct sigaction old_ {};
};

/// Gives the child back the default meaning of SIGINT.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

ChildResult run(const char* program, std::vector<std::string> words, Complaints complaints) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    throw soma::StateError(std::string("cannot make a pipe: ") + std::strerror(errno));
  }
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (complaints == Complaints::drop) {
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  }
  const IgnoreInterrupt ignoring;
  const SpawnAttributes attributes;
  pid_t child = 0;
  const int error = posix_spawn(&child, program, &actions, attributes.get(), argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  if (error != 0) {
    close(ends[0]);
    throw soma::StateError(std::string("cannot start ") + program + ": " + std::strerror(error));
  }

  ChildResult result;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(ends[0], buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    result.output.append(buffer, static_cast<std::size_t>(count));
  }
  close(ends[0]);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : kSignalOffset + WTERMSIG(status);
  return result;
}

}  // namespace

ChildResult run_self(const std::vector<std::string>& arguments, Complaints complaints) {
  std::vector<std::string> words = {"soma"};
  for (const std::string& folder : plugin_folders()) words.push_back("--plugin-path=" + folder);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run(kSelf, std::move(words), complaints);
}

ChildResult run_program(const std::vector<std::string>& words) {
  return run(words.front().c_str(), words, Complaints::drop);
}
