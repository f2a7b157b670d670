#include "model/layer_tools.hpp"

namespace soma {

std::span<const LayerType> structure_layers() { return {}; }

}  // namespace soma
