#include "kernel_base.hpp"

namespace soma::common {

std::span<const Entry> embedding_kernels() { return {}; }

}  // namespace soma::common
