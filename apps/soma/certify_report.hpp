#pragma once

#include <filesystem>
#include <string>

#include "certificate.hpp"

/// One page that needs nothing else: a matrix of ops and levels; each cell opens its cases, with
/// what failed and the command that asks it again. Light and dark, narrow screens, keyboard.
std::string certificate_html(const Certificate& certificate);

/// The XML of JUnit, as build servers read it.
std::string certificate_junit(const Certificate& certificate);

/// Signs `file` with an SSH key through `ssh-keygen -Y sign`, in the namespace "soma-certificate":
/// writes file.sig beside it. Throws soma::StateError with what ssh-keygen said.
void sign_file(const std::filesystem::path& file, const std::filesystem::path& key);
