#include "soma/sdk/backend.hpp"

#include <vector>

#include "kernels.hpp"

namespace soma::reference {

std::span<const Entry> gaussian_sample_kernels();

namespace {

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> list;
    for (const auto& family : {linear_kernels(),         matmul_kernels(),
                               conv2d_kernels(),         pool2d_kernels(),
                               pointwise_kernels(),      activation_kernels(),
                               prelu_kernels(),          softmax_kernels(),
                               loss_kernels(),           elementwise_loss_kernels(),
                               optimizer_kernels(),      adaptive_optimizer_kernels(),
                               regularization_kernels(), arithmetic_kernels(),
                               axis_reduction_kernels(), arrangement_kernels(),
                               upsample2d_kernels(),     embedding_kernels(),
                               dropout_kernels(),        gaussian_sample_kernels(),
                               normalization_kernels(),  recurrent_kernels(),
                               attention_kernels()}) {
      list.insert(list.end(), family.begin(), family.end());
    }
    return list;
  }();
  return all;
}

/// Exact in either numerics, on the calling thread whatever the thread count.
class ReferenceBackend final : public sdk::Backend {
 public:
  static constexpr const char* kName = "reference";
  static constexpr const char* kSummary =
      "plain serial loops: the meaning of each op, also in float64";
  static constexpr const char* kRuntime = "serial";

  explicit ReferenceBackend(sdk::Numerics) {}

  static std::span<const char* const> op_ids() {
    static const std::vector<const char*> ids = [] {
      std::vector<const char*> list;
      for (const Entry& entry : entries()) list.push_back(entry.id);
      return list;
    }();
    return ids;
  }

  std::unique_ptr<sdk::Kernel> prepare(const Op& op) override {
    for (const Entry& entry : entries()) {
      if (op.id == entry.id) return entry.make(op);
    }
    throw UnsupportedError("reference: does not know the op " + op.id);
  }

  void parallel_for(int /*threads*/, std::int64_t n, std::int64_t /*grain*/, soma_range_fn fn,
                    void* argument) override {
    if (n <= 0) return;
    const common::FloatEnvironment environment;
    fn(argument, 0, n);
  }
};

}  // namespace
}  // namespace soma::reference

SOMA_EXPORT_BACKEND(soma::reference::ReferenceBackend)
