#pragma once

#include <filesystem>

#include "plugins/manifest.hpp"
#include "plugins/rejection.hpp"

namespace soma::plugins {

/// Takes a file through the steps of admission, in order: whole ELF library, ABI tag, instruction
/// set, load, entry. No code of the file runs before the first three are passed. On success fills
/// `*manifest`. A library that was loaded stays loaded for the life of the process, rejected or
/// not. This thread's floating-point environment is as before in any case.
Rejection admit(const std::filesystem::path& file, Manifest* manifest);

/// True once the process has begun to exit: the plugins' own static objects may be gone, so nothing
/// of theirs is called any more, not even to close what is still open.
bool exiting() noexcept;

}  // namespace soma::plugins
