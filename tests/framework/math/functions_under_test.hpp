#pragma once

#include <cstdint>

#include "soma/sdk/math/activations.hpp"

/// The canonical functions as a table: each line is a name and the bound on its error, in ulp of
/// the float64 result rounded to float32. To test another function, add a line.
#define SOMA_TESTED_FUNCTIONS(X) \
  X(exp, 1)                      \
  X(expm1, 1)                    \
  X(log, 1)                      \
  X(log1p, 1)                    \
  X(tanh, 1)                     \
  X(erf, 1)                      \
  X(sin, 1)                      \
  X(cos, 1)                      \
  X(sigmoid, 2)                  \
  X(softplus, 2)                 \
  X(relu, 0)                     \
  X(relu_derivative, 0)          \
  X(sigmoid_derivative, 4)       \
  X(tanh_derivative, 4)          \
  X(erf_derivative, 4)           \
  X(silu, 2)                     \
  X(gelu, 2)                     \
  X(gelu_tanh, 2)                \
  X(mish, 2)                     \
  X(elu, 2)                      \
  X(selu, 2)                     \
  X(softsign, 2)                 \
  X(hard_swish, 2)

namespace soma_test {

/// Activations that exist as types only, in the form of the others.
namespace functions {
using namespace soma::math;

#define SOMA_TESTED_TYPE(name, Type) \
  template <class T>                 \
  T name(T x) {                      \
    return Type{}.f(x);              \
  }                                  \
  inline double name(double x) { return Type{}.f(F64(x)).v; }
SOMA_TESTED_TYPE(elu, Elu)
SOMA_TESTED_TYPE(selu, Selu)
SOMA_TESTED_TYPE(softsign, Softsign)
SOMA_TESTED_TYPE(hard_swish, HardSwish)
#undef SOMA_TESTED_TYPE
}  // namespace functions

enum class Function {
#define SOMA_TESTED(name, ulp) name,
  SOMA_TESTED_FUNCTIONS(SOMA_TESTED)
#undef SOMA_TESTED
};

/// y[i] = function(x[i]) in lane type L, for i in [0, n).
template <class L>
void evaluate(Function function, const float* x, float* y, std::int64_t n) {
  switch (function) {
#define SOMA_TESTED(name, ulp) \
  case Function::name:         \
    return soma::math::transform_as<L>(x, y, n, [](auto v) { return functions::name(v); });
    SOMA_TESTED_FUNCTIONS(SOMA_TESTED)
#undef SOMA_TESTED
  }
}

/// evaluate() in F32x16, from a unit compiled for AVX-512; call it only on a CPU that has it.
void evaluate_avx512(Function function, const float* x, float* y, std::int64_t n);

}  // namespace soma_test
