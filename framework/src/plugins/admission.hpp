#pragma once

#include <filesystem>
#include <string>

#include "plugins/manifest.hpp"
#include "plugins/rejection.hpp"

namespace soma::plugins {

/// Takes a file through the steps of admission, in order: whole ELF library, ABI tag, instruction
/// set, test process, load, entry. No code of the file runs before the first three are passed, and
/// none in this process before the fourth. On success fills `*manifest` and, where there is
/// something to say about it, `*note` (may be null). A library that was loaded stays loaded for the
/// life of the process, rejected or not. This thread's floating-point environment is as before in
/// any case.
Rejection admit(const std::filesystem::path& file, Manifest* manifest, std::string* note = nullptr);

/// The steps before the first that runs code of the file, in whatever process.
Rejection inspect(const std::filesystem::path& file);

}  // namespace soma::plugins
