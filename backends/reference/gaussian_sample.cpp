#include "soma/sdk/ops/gaussian_sample.hpp"

#include <cmath>

#include "constants.hpp"
#include "kernels.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/philox.hpp"

namespace soma::reference {
namespace {

/// The standard normal number of each element.
template <class T>
class Normals {
 public:
  Normals(std::uint64_t stream, const std::int32_t* random) : stream_(stream), random_(random) {}

  T operator[](std::int64_t e) const {
    const auto word = [&](int i) { return static_cast<std::uint32_t>(random_[i]); };
    const auto block =
        philox4x32({static_cast<std::uint32_t>(e / 4), word(2), static_cast<std::uint32_t>(stream_),
                    static_cast<std::uint32_t>(stream_ >> 32)},
                   {word(0), word(1)});
    const auto k = static_cast<std::size_t>(e % 4 / 2 * 2);
    const T u = static_cast<T>((block[k] >> 8) + 1) * T(0x1p-24);
    const T v = static_cast<T>(block[k + 1] >> 8) * T(0x1p-24);
    const T angle = constant<T>(ops::GaussianSample::kTwoPi) * v;
    return std::sqrt(T(-2) * math::log(u)) * (e % 2 == 0 ? math::cos(angle) : math::sin(angle));
  }

 private:
  std::uint64_t stream_;
  const std::int32_t* random_;
};

template <class T>
class Forward final : public LoopKernel<T> {
 public:
  explicit Forward(const Op& op)
      : stream_(ops::GaussianSample::from(op.attributes).stream), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T *mean = exec.input<T>(0), *deviation = exec.input<T>(1);
    const Normals<T> eps(stream_, exec.input<std::int32_t>(2));
    T* z = exec.output<T>(0);
    for (std::int64_t e = 0; e < elements_; ++e) z[e] = std::fma(deviation[e], eps[e], mean[e]);
  }
  std::uint64_t stream_;
  std::int64_t elements_;
};

template <class T>
class Backward final : public LoopKernel<T> {
 public:
  explicit Backward(const Op& op)
      : stream_(ops::GaussianSample::from(op.attributes).stream), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* grad_z = exec.input<T>(0);
    const Normals<T> eps(stream_, exec.input<std::int32_t>(1));
    T* grad_deviation = exec.output<T>(0);
    for (std::int64_t e = 0; e < elements_; ++e) grad_deviation[e] = grad_z[e] * eps[e];
  }
  std::uint64_t stream_;
  std::int64_t elements_;
};

}  // namespace

std::span<const Entry> gaussian_sample_kernels() {
  static const Entry entries[] = {entry<Forward>(ops::GaussianSample::kForward),
                                  entry<Backward>(ops::GaussianSample::kBackward)};
  return entries;
}

}  // namespace soma::reference
