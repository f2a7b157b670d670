#include "kernels.hpp"

namespace soma::reference {

std::span<const Entry> arrangement_kernels() { return {}; }

}  // namespace soma::reference
