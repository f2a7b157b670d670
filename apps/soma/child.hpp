#pragma once

#include <string>
#include <vector>

/// What a child process left behind.
struct ChildResult {
  int exit_code = 0;   ///< 128 + signal if a signal ended it
  std::string output;  ///< all of its stdout
};

/// What becomes of a child's stderr.
enum class Complaints { show, drop };

/// Runs this very command again with `arguments` (and the same --plugin-path) and waits for it. Its
/// stdin is ours, and unless dropped its stderr too, so that its progress is seen. Throws
/// soma::StateError if it cannot be started.
ChildResult run_self(const std::vector<std::string>& arguments,
                     Complaints complaints = Complaints::show);

/// Runs another program, words[0] being its path; its stderr is dropped. Throws as run_self().
ChildResult run_program(const std::vector<std::string>& words);
