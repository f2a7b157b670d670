#include "kernels.hpp"

#include <string_view>
#include <vector>

#include "table.hpp"

namespace soma::common {
namespace {

const CanonicalTable& table() {
  static const CanonicalTable chosen = micro_kernels().isa == std::string_view("avx512")
                                           ? canonical_table_avx512()
                                           : canonical_table_avx2();
  return chosen;
}
std::span<const Entry> entries() { return table().kernels; }

}  // namespace

std::unique_ptr<sdk::Kernel> make_canonical_kernel(const Op& op, const Parallel& parallel) {
  for (const auto* tensors : {&op.inputs, &op.outputs}) {
    for (const TensorInfo& tensor : *tensors) {
      if (tensor.dtype == DType::f64) {
        throw UnsupportedError(op.id + ": canonical SIMD kernels compute float32 only");
      }
    }
  }
  for (const Entry& entry : entries()) {
    if (op.id == entry.id) return entry.make(op, parallel);
  }
  throw UnsupportedError("canonical kernels have no op '" + op.id + "'");
}

std::span<const char* const> canonical_op_ids() {
  static const std::vector<const char*> ids = [] {
    std::vector<const char*> list;
    for (const Entry& entry : entries()) list.push_back(entry.id);
    return list;
  }();
  return ids;
}

PointwiseFunction canonical_activation(std::string_view name) { return table().activation(name); }

}  // namespace soma::common
