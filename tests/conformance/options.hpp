#pragma once

#include <cstdint>
#include <string>

#include "soma/backend.hpp"

namespace soma::conformance {

/// What the command line asked for.
struct FrontOptions {
  enum class Mode { examine, digest, isa };
  Mode mode = Mode::examine;
  std::string backend = "reference";
  Numerics numerics = Numerics::exact;
  std::string case_filter;   ///< only cases whose id contains it, or is it
  std::string check_filter;  ///< only this check
  std::uint64_t seed = 1;
  std::string table;    ///< markdown file that receives the counts
  std::string program;  ///< path of this program, for children and for rerun commands

  /// "--backend onednn --numerics exact --seed 1"
  std::string arguments() const {
    return "--backend " + backend + " --numerics " + name_of(numerics) + " --seed " +
           std::to_string(seed);
  }
};

/// Set by main before any test is made.
FrontOptions& front_options();

}  // namespace soma::conformance
