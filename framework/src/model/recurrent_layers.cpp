#include "model/layer_tools.hpp"

namespace soma {

std::span<const LayerType> recurrent_layers() { return {}; }

}  // namespace soma
