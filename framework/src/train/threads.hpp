#pragma once

namespace soma {

/// The thread count to use for what a user asked: that many, or for 0 as many CPUs as this process
/// may run on.
int usable_threads(int requested);

}  // namespace soma
