#pragma once

#include <filesystem>
#include <string>

#include "plugins/rejection.hpp"

namespace soma::plugins {

/// The program that loads a plugin in a process of its own; installed with Soma as
/// lib/soma/soma-probe.
struct Probe {
  std::filesystem::path program;  ///< empty: there is none
  std::string missing;            ///< why there is none, a sentence
};

/// SOMA_PROBE if it is set ("off": none), else soma-probe in the folder soma/ beside libsoma, in
/// the installation, or in <executable>/../lib/soma.
Probe find_probe();

struct ProbeResult {
  bool ran = false;   ///< false: the process could not be started, and the verdict says why
  Rejection verdict;  ///< empty code: nothing against the file
};

/// Runs the program on `file` and waits for its verdict. Codes: probe_crash, probe_timeout, and
/// those of load_library() and enter_library().
///
/// Works in a host full of threads (posix_spawn), whatever it does with signals and with children
/// that end, and leaves no process behind. The time limit is 10 s, or SOMA_PROBE_SECONDS; time in
/// which the whole machine stood still does not count.
ProbeResult run_probe(const Probe& probe, const std::filesystem::path& file);

}  // namespace soma::plugins
