#pragma once

#include <filesystem>

#include "plugins/manifest.hpp"
#include "plugins/rejection.hpp"

namespace boost::dll {
class shared_library;
}

namespace soma::plugins {

/// The two steps of admission that run code of the file; the host and the program soma-probe take
/// the same ones. After each, this thread's floating-point environment is as before.

/// Loads the library into this process, for its life, with every symbol resolved at once.
/// Codes: load_failed, fp_environment (the library is loaded all the same).
Rejection load_library(const std::filesystem::path& file, boost::dll::shared_library** library);

/// Calls its entry point and reads the tables that it brings.
/// Codes: entry_failed, fp_environment, and those of read_manifest().
Rejection enter_library(const boost::dll::shared_library& library, Manifest* manifest);

/// True once the process has begun to exit: the plugins' own static objects may be gone, so nothing
/// of theirs is called any more, not even to close what is still open.
bool exiting() noexcept;
/// Keeps what can no longer be given back reachable, so that a leak checker sees it is on purpose.
void abandon(void* of_plugin) noexcept;

}  // namespace soma::plugins
