#pragma once

#include <xmmintrin.h>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace soma::common {

template <class Signature>
class FunctionRef;

/// A callable that somebody else owns and keeps alive during the call; two pointers, never
/// allocates.
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(
      F&& callable)  // NOLINT(google-explicit-constructor): lambdas are passed as they are
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(callable)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}
  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Holds the calling thread's floating-point environment at the canonical one (round to nearest,
/// subnormals kept, exceptions masked: MXCSR 0x1F80) and restores the old one, flags included.
class FloatEnvironment {
 public:
  FloatEnvironment() noexcept : old_(_mm_getcsr()) { _mm_setcsr(0x1F80); }
  ~FloatEnvironment() { _mm_setcsr(old_); }
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

 private:
  unsigned old_;
};

/// The threading runtime behind the canonical kernels. An implementation keeps the canonical
/// floating-point environment (FloatEnvironment) in every thread that runs a body.
class Parallel {
 public:
  using Body = FunctionRef<void(std::int64_t begin, std::int64_t end)>;
  virtual ~Parallel() = default;

  /// Runs body(begin, end) over disjoint ranges that cover [0, n), in pieces of at least `grain`
  /// (the last may be shorter), on the calling thread and up to threads - 1 others: exactly
  /// min(threads, ceil(n / grain)) threads take part. Returns when all is done. The body must not
  /// throw nor call run. n <= 0 does nothing; threads and grain are 1 or more. Inline when one
  /// piece is enough.
  virtual void run(int threads, std::int64_t n, std::int64_t grain, Body body) const = 0;
};

}  // namespace soma::common
