#pragma once

#include <string>

#include "kernels.hpp"
#include "parallel.hpp"
#include "soma/kernels/composed_backend.hpp"

namespace soma::kernels {

/// The backend's parallel_for as the canonical kernels take it.
class OwnLoops final : public common::Parallel {
 public:
  explicit OwnLoops(ComposedBackend& backend) : backend_(backend) {}
  void run(int threads, std::int64_t n, std::int64_t grain, Body body) const override;

 private:
  ComposedBackend& backend_;
};

struct ComposedBackend::Shared {
  ComposedBackend& backend;
  OwnLoops loops;
  sdk::Exactness exactness;
  std::string implementation;
};

/// A contraction composed of products. It keeps the canonical kernel of the same op for operands
/// that only that treats right: taps that are skipped next to an Inf or a NaN.
class ComposedKernel : public sdk::Kernel {
 public:
  ComposedKernel(const Op& op, const ComposedBackend::Shared& shared);
  void execute(const sdk::Exec& exec) const final;

 protected:
  virtual void compute(const sdk::Exec& exec) const = 0;
  /// False where the canonical kernel has to serve.
  virtual bool can_multiply(const sdk::Exec& /*exec*/) const { return true; }
  void need_workspace(std::int64_t floats);

  const ComposedBackend::Shared& shared_;

 private:
  std::unique_ptr<sdk::Kernel> canonical_;
  int inputs_, outputs_;
};

/// What happens to finished sums [rows, cols]: + bias, + residual, activation; or they are added to
/// what was there.
class Finish {
 public:
  explicit Finish(const Op& op);
  /// True if there is anything to do.
  bool any() const noexcept { return bias_ >= 0 || residual_ >= 0 || activation_ != nullptr; }
  void run(const common::Parallel& loops, const sdk::Exec& exec, std::int64_t rows,
           std::int64_t cols) const;

 private:
  int bias_, residual_;
  void (*activation_)(const float* x, float* y, std::int64_t n) = nullptr;
};

/// to[i] = x[i], or to[i] + x[i].
void put(const common::Parallel& loops, int threads, const float* x, float* to, std::int64_t n,
         bool accumulate);

std::unique_ptr<sdk::Kernel> compose_linear(const Op& op, const ComposedBackend::Shared& shared);
std::unique_ptr<sdk::Kernel> compose_matmul(const Op& op, const ComposedBackend::Shared& shared);
std::unique_ptr<sdk::Kernel> compose_conv2d(const Op& op, const ComposedBackend::Shared& shared);

}  // namespace soma::kernels
