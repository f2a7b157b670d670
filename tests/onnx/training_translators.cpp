#include "translation.hpp"

namespace soma::onnx_tests {

std::span<const Translator> training_translators() { return {}; }

}  // namespace soma::onnx_tests
