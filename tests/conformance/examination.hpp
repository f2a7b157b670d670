#pragma once

#include "soma/conformance/checks.hpp"
#include "soma/conformance/summary.hpp"

namespace soma::conformance {

/// The backend named on the command line. Throws when it cannot be opened.
const Backend& examined();

/// The examiner of that backend; its partners are all other backends that are ready, each under
/// exact and fast numerics.
Examiner& examiner();

/// Results so far.
Summary& summary();

/// The command that repeats one check of one case alone.
std::string rerun_command(const Case& c, Check check);

}  // namespace soma::conformance
