#pragma once

#include <string>

#include "command.hpp"

/// Runs a line of shell; its exit code, or -1 if a signal ended it.
int run_shell(const std::string& line);
bool has_program(const std::string& name);

/// What headless Chromium made of a page.
struct PageVisit {
  int exit_code = 0;
  std::string title;  ///< at the end: where a visiting script says what it saw
  std::string log;    ///< with CONSOLE in it if the page complained
};

/// Opens `page` (HTML) with `visitor`, a script, at the end of its body, in a window that wide.
/// Needs chromium; its files are left in `folder`.
PageVisit visit_page(std::string page, const std::string& visitor, const TemporaryFolder& folder,
                     int width = 1200);
