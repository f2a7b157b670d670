#include "translation.hpp"

namespace soma::onnx_tests {

std::span<const Translator> pointwise_translators() { return {}; }

}  // namespace soma::onnx_tests
