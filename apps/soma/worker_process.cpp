#include "worker_process.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "globals.hpp"
#include "soma/error.hpp"

namespace {

[[noreturn]] void fail(const char* doing) {
  throw soma::StateError(std::string("cannot ") + doing + ": " + strerror(errno));
}

}  // namespace

WorkerProcess::WorkerProcess(const std::vector<std::string>& arguments) {
  // A worker that is gone must not take us with it.
  signal(SIGPIPE, SIG_IGN);
  std::vector<std::string> words = {"soma"};
  for (const std::string& folder : plugin_folders()) words.push_back("--plugin-path=" + folder);
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);

  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0) fail("make a pipe");
  if (pipe2(out, O_CLOEXEC) != 0) {
    close(in[0]);
    close(in[1]);
    fail("make a pipe");
  }
  input_ = in[1];
  output_ = out[0];
  errors_ = memfd_create("stderr", MFD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
  if (errors_ >= 0) posix_spawn_file_actions_adddup2(&actions, errors_, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t standard;
  sigemptyset(&standard);
  sigaddset(&standard, SIGPIPE);
  posix_spawnattr_setsigdefault(&attributes, &standard);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  const int error =
      posix_spawn(&child_, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close(in[0]);
  close(out[1]);
  if (error != 0) {
    close_input();
    close(output_);
    close(errors_);
    errno = error;
    fail("start a worker process");
  }
}

WorkerProcess::~WorkerProcess() {
  if (!ended()) {
    kill();
    while (waitpid(child_, &status_, 0) < 0 && errno == EINTR) {
    }
  }
  close_input();
  close(output_);
  if (errors_ >= 0) close(errors_);
}

void WorkerProcess::send(const std::string& line) {
  const std::string text = line + "\n";
  std::size_t sent = 0;
  while (sent < text.size()) {
    const ssize_t count = write(input_, text.data() + sent, text.size() - sent);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    sent += static_cast<std::size_t>(count);
  }
}

void WorkerProcess::close_input() {
  if (input_ >= 0) close(input_);
  input_ = -1;
}

bool WorkerProcess::read_some() {
  std::array<char, 65536> chunk;
  while (true) {
    const ssize_t count = read(output_, chunk.data(), chunk.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    buffer_.append(chunk.data(), static_cast<std::size_t>(count));
    return true;
  }
}

std::optional<std::string> WorkerProcess::next_line() {
  const std::size_t end = buffer_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

void WorkerProcess::kill() {
  if (!ended_) ::kill(child_, SIGKILL);
}

bool WorkerProcess::ended() {
  if (!ended_) ended_ = waitpid(child_, &status_, WNOHANG) == child_;
  return ended_;
}

std::string WorkerProcess::how_it_ended() const {
  if (WIFEXITED(status_)) {
    const int code = WEXITSTATUS(status_);
    return code == 0 ? "" : "exit code " + std::to_string(code);
  }
  const char* name = sigabbrev_np(WTERMSIG(status_));
  return name != nullptr ? std::string("SIG") + name
                         : "signal " + std::to_string(WTERMSIG(status_));
}

std::string WorkerProcess::last_words() const {
  constexpr off_t kMost = 400;
  std::array<char, kMost> text;
  const off_t size = errors_ >= 0 ? lseek(errors_, 0, SEEK_END) : 0;
  const off_t from = size > kMost ? size - kMost : 0;
  const ssize_t count = size > 0 ? pread(errors_, text.data(), text.size(), from) : 0;
  std::string words(text.data(), count > 0 ? static_cast<std::size_t>(count) : 0);
  for (char& c : words) {
    if (c == '\n' || c == '\r' || c == '\t') c = ' ';
  }
  while (words.ends_with(' ')) words.pop_back();
  return words;
}
