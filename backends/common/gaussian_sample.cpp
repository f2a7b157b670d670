#include "soma/sdk/ops/gaussian_sample.hpp"

#include <algorithm>
#include <cmath>

#include "kernel_base.hpp"
#include "lanes.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/philox.hpp"

namespace soma::common {
namespace {

constexpr std::int64_t kGroup = 64;  // elements: 16 blocks of Philox, two pairs in each
constexpr std::int64_t kPairs = kGroup / 2;
constexpr std::int64_t kGrain = 1024 / kGroup;

/// The standard normal numbers of elements [group * kGroup, ... + kGroup).
struct Normals {
  alignas(64) float eps[kGroup];

  void draw(std::int64_t group, std::uint64_t stream, const std::int32_t* random) {
    alignas(64) float u[kPairs], v[kPairs], even[kPairs], odd[kPairs];
    const auto word = [&](int i) { return static_cast<std::uint32_t>(random[i]); };
    for (std::int64_t b = 0; b < kGroup / 4; ++b) {
      const auto block =
          philox4x32({static_cast<std::uint32_t>(group * (kGroup / 4) + b), word(2),
                      static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                     {word(0), word(1)});
      for (std::size_t pair = 0; pair < 2; ++pair) {
        const std::size_t at = static_cast<std::size_t>(2 * b) + pair;
        u[at] = static_cast<float>((block[2 * pair] >> 8) + 1) * 0x1p-24f;
        v[at] = static_cast<float>(block[2 * pair + 1] >> 8) * 0x1p-24f;
      }
    }
    for_lanes(kPairs, [&](std::int64_t i, auto place) {
      const Lanes angle =
          Lanes(static_cast<float>(ops::GaussianSample::kTwoPi)) * place.load(v + i);
      const Lanes radius = sqrt(Lanes(-2) * math::log(place.load(u + i)));
      place.store(radius * math::cos(angle), even + i);
      place.store(radius * math::sin(angle), odd + i);
    });
    for (std::int64_t i = 0; i < kPairs; ++i) {
      eps[2 * i] = even[i];
      eps[2 * i + 1] = odd[i];
    }
  }
};

class GaussianSampleKernel : public CanonicalKernel {
 public:
  GaussianSampleKernel(const Op& op, const Parallel& parallel)
      : CanonicalKernel(parallel),
        stream_(ops::GaussianSample::from(op.attributes).stream),
        n_(op.in(0).elements()) {}

 protected:
  /// step(i, place, eps) for every kLanes elements.
  template <class Step>
  void for_normals(const sdk::Exec& exec, const std::int32_t* random, Step step) const {
    const std::int64_t groups = (n_ + kGroup - 1) / kGroup;
    parallel().run(exec.threads(), groups, kGrain, [&](std::int64_t begin, std::int64_t end) {
      Normals normals;
      for (std::int64_t group = begin; group < end; ++group) {
        normals.draw(group, stream_, random);
        const std::int64_t first = group * kGroup;
        for_lanes(std::min(kGroup, n_ - first), [&](std::int64_t i, auto place) {
          step(first + i, place, place.load(normals.eps + i));
        });
      }
    });
  }

 private:
  std::uint64_t stream_;
  std::int64_t n_;
};

class Forward final : public GaussianSampleKernel {
  using GaussianSampleKernel::GaussianSampleKernel;
  void compute(const sdk::Exec& exec) const override {
    const auto *mean = exec.input<float>(0), *deviation = exec.input<float>(1);
    auto* z = exec.output<float>(0);
    for_normals(exec, exec.input<std::int32_t>(2), [&](std::int64_t i, auto place, Lanes eps) {
      place.store(fma(place.load(deviation + i), eps, place.load(mean + i)), z + i);
    });
  }
};

class Backward final : public GaussianSampleKernel {
  using GaussianSampleKernel::GaussianSampleKernel;
  void compute(const sdk::Exec& exec) const override {
    const auto* grad_z = exec.input<float>(0);
    auto* grad_deviation = exec.output<float>(0);
    for_normals(exec, exec.input<std::int32_t>(1), [&](std::int64_t i, auto place, Lanes eps) {
      place.store(place.load(grad_z + i) * eps, grad_deviation + i);
    });
  }
};

template <class Kernel>
KernelPtr make(const Op& op, const Parallel& parallel) {
  return std::make_unique<Kernel>(op, parallel);
}

}  // namespace

std::span<const Entry> gaussian_sample_kernels() {
  static constexpr Entry kEntries[] = {{ops::GaussianSample::kForward, &make<Forward>},
                                       {ops::GaussianSample::kBackward, &make<Backward>}};
  return kEntries;
}

}  // namespace soma::common
