#include "soma/sdk/backend.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "../common/kernels.hpp"
#include "dnnl_shim.hpp"
#include "kernels.hpp"
#include "openmp.hpp"

namespace soma::onednn {
namespace {

/// oneDNN's matrix products and convolutions where they are right and fast; canonical kernels over
/// OpenMP for everything else, and for whatever oneDNN cannot do to the same bits under exact
/// numerics.
class OneDnnBackend final : public sdk::Backend {
 public:
  static constexpr const char* kName = "onednn";
  static constexpr const char* kSummary =
      "oneDNN products and convolutions, canonical kernels over OpenMP";
  static constexpr const char* kRuntime = "openmp";

  static constexpr bool kHasBf16 = true;

  explicit OneDnnBackend(sdk::Numerics numerics) : exact_(numerics == sdk::Numerics::exact) {
    if (numerics != sdk::Numerics::bf16) return;
    if (!has_bf16()) {
      throw UnsupportedError(
          "bf16 numerics need a CPU with AVX-512 BF16 or AMX, and ONEDNN_MAX_CPU_ISA to allow it");
    }
    const char* when = std::getenv("SOMA_BF16");  // for tests of small shapes
    bf16_ =
        when != nullptr && std::string_view(when) == "always" ? Bf16::always : Bf16::where_it_pays;
  }

  static std::span<const char* const> op_ids() { return common::canonical_op_ids(); }

  std::unique_ptr<sdk::Kernel> prepare(const Op& op) override {
    if (is_declared(op) && is_float32(op)) {
      if (KernelPtr kernel = own_kernel_or_null(op)) return kernel;
    }
    return common::make_canonical_kernel(op, openmp());
  }

  void parallel_for(int threads, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                    void* argument) override {
    openmp().run(std::max(threads, 1), n, std::max<std::int64_t>(grain, 1),
                 [&](std::int64_t begin, std::int64_t end) { fn(argument, begin, end); });
  }

 private:
  // Below, what is not one direction of a family is another.
  static bool is_declared(const Op& op) {
    return std::ranges::any_of(op_ids(), [&](const char* id) { return op.id == id; });
  }
  static bool is_float32(const Op& op) {
    const auto f32 = [](const TensorInfo& t) { return t.dtype == DType::f32; };
    return std::ranges::all_of(op.inputs, f32) && std::ranges::all_of(op.outputs, f32);
  }
  // oneDNN may refuse a problem only when the primitive is made.
  KernelPtr own_kernel_or_null(const Op& op) const {
    try {
      return own_kernel(op);
    } catch (const dnnl::error&) {
      return nullptr;
    }
  }
  KernelPtr own_kernel(const Op& op) const {
    if (op.family() == "linear/1") return make_product(op, linear_product(op));
    if (op.family() == "matmul/1") return make_product(op, matmul_product(op));
    if (op.family() == "conv2d/1" && !exact_) {
      return op.direction() == "bwd_weights" ? make_conv2d_weights(op, bf16_)
                                             : make_conv2d(op, bf16_);
    }
    return nullptr;
  }
  KernelPtr make_product(const Op& op, const MatrixProduct& product) const {
    // Entering oneDNN costs as much as a product of 16 x 16 x 16; one without terms kills it.
    constexpr double kLeastWork = 2.0 * 16 * 16 * 16;
    if (product.work() <= kLeastWork) return nullptr;
    return exact_ ? make_exact_product(op, product) : make_fast_product(op, product, bf16_);
  }

  bool exact_;
  Bf16 bf16_ = Bf16::never;
};

}  // namespace
}  // namespace soma::onednn

SOMA_EXPORT_BACKEND(soma::onednn::OneDnnBackend)
