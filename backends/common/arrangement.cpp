#include "kernel_base.hpp"

namespace soma::common {

std::span<const Entry> arrangement_kernels() { return {}; }

}  // namespace soma::common
