#include "soma/sdk/ops/dropout.hpp"

#include "kernels.hpp"
#include "soma/sdk/philox.hpp"

namespace soma::reference {
namespace {

/// Forward and backward: both apply the mask to their first input.
template <class T>
class Dropout final : public LoopKernel<T> {
 public:
  explicit Dropout(const Op& op)
      : dropout_(ops::Dropout::from(op.attributes)), elements_(op.in(0).elements()) {}

 private:
  void run(const sdk::Exec& exec) const override {
    const T* x = exec.input<T>(0);
    const std::int32_t* random = exec.input<std::int32_t>(1);
    T* y = exec.output<T>(0);
    const auto word = [&](int i) { return static_cast<std::uint32_t>(random[i]); };
    const T factor = static_cast<T>(dropout_.factor());
    const std::uint32_t threshold = dropout_.threshold();
    for (std::int64_t e = 0; e < elements_; ++e) {
      const auto block = philox4x32(
          {static_cast<std::uint32_t>(e / 4), word(2), static_cast<std::uint32_t>(dropout_.stream),
           static_cast<std::uint32_t>(dropout_.stream >> 32)},
          {word(0), word(1)});
      const bool keep = block[static_cast<std::size_t>(e % 4)] >> 8 >= threshold;
      y[e] = keep ? x[e] * factor : T(0);
    }
  }
  ops::Dropout dropout_;
  std::int64_t elements_;
};

}  // namespace

std::span<const Entry> dropout_kernels() {
  static const Entry entries[] = {entry<Dropout>(ops::Dropout::kForward),
                                  entry<Dropout>(ops::Dropout::kBackward)};
  return entries;
}

}  // namespace soma::reference
