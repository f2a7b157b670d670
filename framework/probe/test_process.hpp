#pragma once

#include <filesystem>

#include "plugins/rejection.hpp"

namespace soma::probe {

/// Loads the plugin in a child of this process, enters it, checks it (self_check.hpp) and lets the
/// child end as programs do. Whatever becomes of the child, this process survives, and says what it
/// was that ended it or did not come back. The child and all that it started in its process group
/// are gone afterwards. The calling process must have one thread.
///
/// Codes: probe_crash, probe_timeout, self_check, and those of plugins/entrance.hpp. The seconds
/// are of this process: time in which it stood still does not count. When nobody reads standard
/// output any more, the child is ended too.
plugins::Rejection try_plugin(const std::filesystem::path& file, int seconds);

}  // namespace soma::probe
