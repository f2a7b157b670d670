#pragma once

#include <span>
#include <string>

#include "certificate.hpp"

/// Level C7: times an example of every op on the subject, the reference and the other backends, one
/// contestant at a time and each in a process of its own, and fills certificate.speed. Who does not
/// run, for whatever reason, has no time. Only backends are timed.
void do_certify_speed(Certificate& certificate);

/// What those processes are: `args` are the words behind "soma certify --speed".
int run_certify_speed_child(std::span<const std::string> args);
