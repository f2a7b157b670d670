#pragma once

namespace soma::reference {

/// A constant of an op: float32 also in the float64 kernels, for it is part of the op's meaning.
template <class T>
T constant(double value) {
  return static_cast<T>(static_cast<float>(value));
}

}  // namespace soma::reference
