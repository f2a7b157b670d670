#pragma once

#include <string>
#include <vector>

/// What a child process left behind.
struct ChildResult {
  int exit_code = 0;   ///< 128 + signal if a signal ended it
  std::string output;  ///< all of its stdout
};

/// Runs this very command again with `arguments` (and the same --plugin-path) and waits for it. Its
/// stdin and stderr are ours, so that its progress is seen. Throws soma::StateError if it cannot be
/// started.
ChildResult run_self(const std::vector<std::string>& arguments);
