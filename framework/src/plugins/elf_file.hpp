#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plugins/rejection.hpp"

namespace soma::plugins {

/// What the host reads from a library without running any of its code.
struct ElfFile {
  std::vector<std::string> sections;  ///< names; empty when the file has no section table
};

/// Checks that `file` is a whole 64-bit little-endian x86-64 ELF shared library: magic, machine,
/// and every header, segment and section inside the file. Fills `*elf` when it is.
/// Codes: unreadable, not_a_library, wrong_machine, truncated.
/// Source: System V ABI, chapter 4 "Object files"; elf(5).
Rejection inspect_elf(const std::filesystem::path& file, ElfFile* elf);

}  // namespace soma::plugins
