#include "kernel_base.hpp"

namespace soma::common {

std::span<const Entry> recurrent_kernels() { return {}; }

}  // namespace soma::common
