#include "translation.hpp"

namespace soma::onnx_tests {

std::span<const Translator> recurrent_translators() { return {}; }

}  // namespace soma::onnx_tests
