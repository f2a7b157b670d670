#include "functions_under_test.hpp"

namespace soma_test {

void evaluate_avx512(Function function, const float* x, float* y, std::int64_t n) {
  evaluate<soma::math::F32x16>(function, x, y, n);
}

}  // namespace soma_test
