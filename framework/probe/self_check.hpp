#pragma once

#include <functional>
#include <string>

#include "plugins/manifest.hpp"
#include "plugins/rejection.hpp"

namespace soma::probe {

/// A first use of everything that a plugin brings, before a host relies on it: backends are opened,
/// asked for an op that nobody has, and run a loop; activations are computed on numbers of every
/// kind. That they compute right is for the conformance suite; here they must come back, stay
/// inside their buffers, touch each index of a loop once and leave the floating-point environment
/// alone. `begins` is told what comes next, as the subject of a sentence.
/// Code: self_check.
plugins::Rejection self_check(const plugins::Manifest& manifest,
                              const std::function<void(const std::string&)>& begins);

}  // namespace soma::probe
