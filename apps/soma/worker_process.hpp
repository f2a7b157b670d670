#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

/// A child process that runs this very command and is talked to line by line: what we send is its
/// stdin, what it says its stdout. Its stderr is kept, to be asked for when it died.
class WorkerProcess {
 public:
  /// Starts `soma ARGUMENTS` (with our --plugin-path). Throws soma::StateError if it cannot.
  explicit WorkerProcess(const std::vector<std::string>& arguments);
  /// Kills it if it still runs.
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Nothing happens if it no longer listens.
  void send(const std::string& line);
  /// No more lines will come: a well-behaved worker ends.
  void close_input();
  int output() const { return output_; }  ///< file descriptor to poll
  /// Reads what is there. False at the end of its output.
  bool read_some();
  /// The next whole line of what was read.
  std::optional<std::string> next_line();

  void kill();
  /// True once it has ended.
  bool ended();
  /// After the end: "" if it left with exit code 0, else "SIGSEGV" or "exit code 3".
  std::string how_it_ended() const;
  /// The last lines of its stderr, in one line.
  std::string last_words() const;

 private:
  pid_t child_ = 0;
  int input_ = -1, output_ = -1, errors_ = -1;
  std::string buffer_;
  bool ended_ = false;
  int status_ = 0;
};
