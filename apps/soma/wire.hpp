#pragma once

#include <unistd.h>

#include <string>

/// In a child process that is talked to line by line: stdout as it was, kept from the plugins. What
/// they print goes to stderr.
class Wire {
 public:
  Wire() : descriptor_(dup(STDOUT_FILENO)) { dup2(STDERR_FILENO, STDOUT_FILENO); }
  /// Ends the process if nobody listens any more.
  void say(const std::string& line) const {
    const std::string text = line + "\n";
    for (std::size_t sent = 0; sent < text.size();) {
      const ssize_t count = write(descriptor_, text.data() + sent, text.size() - sent);
      if (count <= 0) _exit(1);
      sent += static_cast<std::size_t>(count);
    }
  }

 private:
  int descriptor_;
};
