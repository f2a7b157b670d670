#pragma once

#include <span>
#include <stdexcept>
#include <string>

/// Wrong usage of the command: one sentence, which main() prints before it exits with 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The sub-commands. Each takes the arguments after its name, writes results to stdout and
// everything else to stderr, and returns the exit code: 0 done, 1 failed, 130 stopped by a signal.
// They throw UsageError for a wrong command line and soma::Error (or std::exception) when they
// fail. What each prints, and the keys of its JSON, is written in framework/docs/cli.md.
using Arguments = std::span<const std::string>;

int run_train(Arguments args);
int run_eval(Arguments args);
int run_predict(Arguments args);
int run_sample(Arguments args);
int run_models(Arguments args);
int run_summary(Arguments args);
int run_lint(Arguments args);
int run_data(Arguments args);
int run_backends(Arguments args);
int run_plugins(Arguments args);
int run_new_plugin(Arguments args);
int run_bench(Arguments args);
int run_profile(Arguments args);
int run_certify(Arguments args);
int run_inspect(Arguments args);
int run_lab(Arguments args);
int run_verify(Arguments args);
int run_compare(Arguments args);
int run_quickstart(Arguments args);
