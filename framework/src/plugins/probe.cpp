#include "plugins/probe.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/dll/runtime_symbol_info.hpp>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultSeconds = "10";
constexpr int kGraceSeconds = 5;    // for the program itself, after its own limit
const char kInsideThisLibrary = 0;  // its address tells where libsoma lies

std::vector<fs::path> probe_places() {
  std::vector<fs::path> places;
  std::error_code error;
  const fs::path library = boost::dll::symbol_location(kInsideThisLibrary, error);
  if (!error) places.push_back(library.parent_path() / "soma" / "soma-probe");
  places.emplace_back(fs::path(SOMA_INSTALL_PLUGIN_DIR) / "soma-probe");
  const fs::path program = boost::dll::program_location(error);
  if (!error) places.push_back(program.parent_path() / ".." / "lib" / "soma" / "soma-probe");
  return places;
}

std::string seconds_allowed() {
  const char* wish = secure_getenv("SOMA_PROBE_SECONDS");
  const int seconds = wish != nullptr ? std::atoi(wish) : 0;
  return seconds > 0 ? std::to_string(std::min(seconds, 3600)) : kDefaultSeconds;
}

/// Standard input and error lead nowhere, output to `out`; nothing else of the host's is open.
class SpawnActions {
 public:
  explicit SpawnActions(int out) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, out, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
  }
  ~SpawnActions() { posix_spawn_file_actions_destroy(&actions_); }
  SpawnActions(const SpawnActions&) = delete;
  SpawnActions& operator=(const SpawnActions&) = delete;
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

/// Every signal has its default meaning and is let through, whatever the calling thread did; and
/// those of the terminal go to the host alone, which decides what they mean.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_init(&attributes_);
    posix_spawnattr_setsigdefault(&attributes_, &all);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

/// All that `fd` brings until its writers are gone or the patience is at an end. A wait that took
/// longer than asked for counts as one turn: then this process stood still, and the other too.
struct Answer {
  std::string text;
  bool ended = false;  // false: the patience was first
};
Answer read_all(int fd, int seconds) {
  constexpr int kTurnMs = 50;
  Answer answer;
  std::array<char, 4096> piece;
  for (int turns = seconds * 1000 / kTurnMs; turns > 0;) {
    pollfd watched{fd, POLLIN, 0};
    const int ready = ::poll(&watched, 1, kTurnMs);
    if (ready == 0) --turns;
    if (ready <= 0) continue;  // a signal came in between
    const ssize_t count = ::read(fd, piece.data(), piece.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) {
      answer.ended = true;
      break;
    }
    answer.text.append(piece.data(), static_cast<std::size_t>(count));
  }
  return answer;
}

ProbeResult not_started(int error) {
  return {false, {"", std::string("none could be started: ") + std::strerror(error)}};
}

Rejection read_verdict(const std::string& text) {
  try {
    const auto verdict = nlohmann::json::parse(text);
    return {verdict.at("code"), verdict.at("reason")};
  } catch (const std::exception&) {
    return {"probe_crash", "the test process that loaded it ended without a verdict"};
  }
}

}  // namespace

Probe find_probe() {
  if (const char* wish = secure_getenv("SOMA_PROBE"); wish != nullptr && *wish != '\0') {
    if (std::string_view(wish) == "off") return {{}, "SOMA_PROBE is off"};
    if (::access(wish, X_OK) == 0) return {wish, {}};
    return {{}, std::string("SOMA_PROBE names ") + wish + ", which cannot be run"};
  }
  std::string looked;
  for (const fs::path& place : probe_places()) {
    if (::access(place.c_str(), X_OK) == 0) return {place, {}};
    looked += (looked.empty() ? "" : ", ") + place.lexically_normal().string();
  }
  return {{}, "its program is missing; looked for " + looked};
}

ProbeResult run_probe(const Probe& probe, const fs::path& file) {
  std::array<std::string, 3> words = {probe.program.string(), file.string(), seconds_allowed()};
  char* argv[] = {words[0].data(), words[1].data(), words[2].data(), nullptr};
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return not_started(errno);
  pid_t child = 0;
  const int error = ::posix_spawn(&child, argv[0], SpawnActions(ends[1]).get(),
                                  SpawnAttributes().get(), argv, environ);
  ::close(ends[1]);
  if (error != 0) {
    ::close(ends[0]);
    return not_started(error);
  }
  const Answer answer = read_all(ends[0], std::atoi(words[2].c_str()) + kGraceSeconds);
  ::close(ends[0]);
  if (!answer.ended) ::kill(child, SIGKILL);
  // The host may have its children reaped elsewhere; all that counts is in the text.
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {true, read_verdict(answer.text)};
}

}  // namespace soma::plugins
