#include "test_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>

#include "plugins/entrance.hpp"
#include "self_check.hpp"

namespace soma::probe {
namespace {

using plugins::Rejection;

// What the child says, each with one write: 'b' + what it begins, or 'e' + code + '\t' + reason
// when it has come to an end, then '\n'.
constexpr char kBegins = 'b', kEnds = 'e';
constexpr std::size_t kLongest = 2000;  // written whole, as it is below PIPE_BUF

class Speaker {
 public:
  explicit Speaker(int fd) : fd_(fd) {}
  void begins(const std::string& what) const { say(kBegins, what); }
  void ends(const Rejection& verdict) const { say(kEnds, verdict.code + "\t" + verdict.reason); }

 private:
  void say(char kind, const std::string& what) const {
    std::string line = kind + what.substr(0, kLongest);
    for (char& c : line) c = c == '\n' ? ' ' : c;
    line += '\n';
    while (::write(fd_, line.data(), line.size()) < 0 && errno == EINTR) {
    }
  }
  int fd_;
};

/// The codes with which a healthy child ends.
bool is_verdict(const Rejection& verdict) {
  constexpr std::string_view kCodes[] = {"load_failed", "fp_environment", "entry_failed",
                                         "abi_version", "bad_table",      "self_check"};
  return verdict.code.empty() ? verdict.reason.empty()
                              : std::ranges::find(kCodes, verdict.code) != std::end(kCodes);
}

/// What the child told so far.
struct Story {
  std::string doing = "starting";
  bool ended = false;
  Rejection verdict;

  void hear(std::string* heard) {
    for (std::size_t end; (end = heard->find('\n')) != std::string::npos;
         heard->erase(0, end + 1)) {
      const std::string line = heard->substr(0, end);
      if (line[0] == kBegins) doing = line.substr(1);
      if (line[0] != kEnds) continue;
      ended = true;
      const std::size_t tab = line.find('\t');
      verdict = {line.substr(1, tab - 1), line.substr(tab + 1)};
    }
  }
};

/// The child's part. Returns, so that the process ends as programs do.
void load_and_check(const std::filesystem::path& file, const Speaker& tell) {
  tell.begins("loading it");
  boost::dll::shared_library* library = nullptr;
  plugins::Manifest manifest;
  Rejection no = plugins::load_library(file, &library);
  if (!no) {
    tell.begins("its entry point");
    no = plugins::enter_library(*library, &manifest);
  }
  if (!no) no = self_check(manifest, [&](const std::string& what) { tell.begins(what); });
  tell.ends(no);
  tell.begins("its clean-up at exit");
  if (no) ::_exit(0);
}

[[noreturn]] void be_the_child(const std::filesystem::path& file, int out) {
  ::setpgid(0, 0);
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  // What the plugin prints is for nobody.
  const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
  ::dup2(nowhere, STDOUT_FILENO);
  ::dup2(nowhere, STDERR_FILENO);
  load_and_check(file, Speaker(out));
  std::exit(0);
}

std::string how_it_ended(int status) {
  if (WIFEXITED(status))
    return "ended a test process with exit code " + std::to_string(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return "ended a test process with signal " + std::to_string(signal) + " (" + ::strsignal(signal) +
         ")";
}

bool reader_gone() {
  pollfd out{STDOUT_FILENO, 0, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

/// Listens until the child has ended; false if that takes longer than `seconds` or nobody wants to
/// know any more.
bool follow(int fd, pid_t child, int seconds, Story* story, int* status) {
  constexpr int kTurnMs = 20;
  std::array<char, 4096> piece;
  std::string heard;
  bool open = true;
  const auto read_some = [&] {
    const ssize_t count = ::read(fd, piece.data(), piece.size());
    if (count > 0) heard.append(piece.data(), static_cast<std::size_t>(count));
    if (count == 0) open = false;
    story->hear(&heard);
    return count > 0;
  };
  for (int turns = seconds * 1000 / kTurnMs; turns > 0;) {
    pollfd watched{open ? fd : -1, POLLIN, 0};
    if (::poll(&watched, 1, open ? kTurnMs : 1) == 0) --turns;
    if ((watched.revents & (POLLIN | POLLHUP)) != 0) read_some();
    const pid_t gone = ::waitpid(child, status, WNOHANG);
    if (gone == child) {
      while (open && read_some()) {
      }
      return true;
    }
    if (reader_gone()) return false;
  }
  return false;
}

/// Ends the child and what it started, and lets the system forget them; what hides in a process
/// group of its own is left to the system.
void clear_away(pid_t child) {
  constexpr int kPatienceMs = 100;
  ::kill(-child, SIGKILL);
  for (int turns = 0; turns < kPatienceMs;) {
    const pid_t gone = ::waitpid(-1, nullptr, WNOHANG);
    if (gone < 0 && errno != EINTR) return;
    if (gone == 0 && ++turns > 0) ::poll(nullptr, 0, 1);
  }
}

}  // namespace

Rejection try_plugin(const std::filesystem::path& file, int seconds) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return {"probe_crash", std::string("no test process: ") + std::strerror(errno)};
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // grandchildren become ours when their parent ends
  const pid_t child = ::fork();
  if (child < 0) return {"probe_crash", std::string("no test process: ") + std::strerror(errno)};
  if (child == 0) be_the_child(file, ends[1]);
  ::setpgid(child, child);  // whoever is first
  ::close(ends[1]);

  Story story;
  int status = 0;
  const bool ended = follow(ends[0], child, seconds, &story, &status);
  clear_away(child);
  ::close(ends[0]);
  if (!ended) {
    return {"probe_timeout", story.doing + " did not come back within " + std::to_string(seconds) +
                                 " s in a test process"};
  }
  if (story.ended && !is_verdict(story.verdict))
    return {"probe_crash", "it damaged the memory of a test process"};
  if (story.ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) return story.verdict;
  return {"probe_crash", story.doing + " " + how_it_ended(status)};
}

}  // namespace soma::probe
