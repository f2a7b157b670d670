#include <omp.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <vector>

#include "../common/kernels.hpp"
#include "elementwise.hpp"
#include "kernels.hpp"
#include "openmp.hpp"
#include "primitive.hpp"
#include "reductions.hpp"

namespace soma::onednn {
namespace {

using Tag = dnnl::memory::format_tag;

constexpr std::int64_t kBlock = 512;  // of the canonical order
constexpr double kMostChecked = 4e9;  // operations; about 0.1 s on one core

// The product in canonical order: oneDNN's AVX-512 matmul adds the terms of one output one after
// the other, up to 512 of them, so the depth is cut there, each chunk a dense operand of its own.
// The first chunk starts the total from +0 (the linear post-op turns -0 into +0), the others add to
// it (the sum post-op). That is an observation and no promise of oneDNN's: see agrees().
class ExactProduct final : public sdk::Kernel {
 public:
  ExactProduct(const Op& op, const MatrixProduct& product)
      : op_(op),
        product_(product),
        chunks_((product.depth + kBlock - 1) / kBlock),
        finish_(product.epilogue, chunks_ > 1),
        base_team_(team_for(product.cost(), omp_get_max_threads())),
        plans_([this](int threads) { return make_plan(threads); }) {
    const std::int64_t kc = std::min(kBlock, product.depth);
    const auto bytes = [](std::int64_t floats) {
      return static_cast<std::size_t>(floats) * sizeof(float);
    };
    copy_left_ = chunks_ > 1 && !product.left_transposed;
    copy_right_ = chunks_ > 1 && product.right_transposed;
    if (copy_left_) left_copy_ = space_.add(bytes(product.rows * kc));
    if (copy_right_) right_copy_ = space_.add(bytes(product.cols * kc));
    if (product.accumulate) sum_ = space_.add(bytes(product.batch * product.rows * product.cols));
    scratch_ = space_.bytes();
    const Plan* plan = plans_.at(base_team_);
    if (plan == nullptr) return;
    info_.exactness = sdk::Exactness::exact;
    info_.implementation = plan->first->implementation() + ", canonical blocks";
    info_.workspace_bytes = bytes_of(*plan);
  }
  bool usable() const noexcept { return !info_.implementation.empty(); }

  void execute(const sdk::Exec& exec) const override {
    const int threads = team_for(product_.cost(), exec.threads());
    const Plan* plan = plans_.at(threads);
    // A thread count whose primitive has other bits runs as prepared.
    run(plan != nullptr ? *plan : *plans_.at(base_team_), exec);
  }

 private:
  struct Plan {
    int threads;
    std::unique_ptr<Primitive> first, middle, last;  // chunks: one; two: first and last
  };

  std::size_t bytes_of(const Plan& plan) const {
    std::size_t scratch = 0;
    for (const Primitive* p : {plan.first.get(), plan.middle.get(), plan.last.get()}) {
      if (p != nullptr) scratch = std::max(scratch, p->scratchpad_bytes());
    }
    if (product_.sum_left) {
      scratch = std::max(scratch, common::column_sums_bytes(product_.depth, product_.rows));
    }
    return scratch_ + scratch;
  }

  void run(const Plan& plan, const sdk::Exec& exec) const {
    const TeamScope scope(plan.threads);
    std::byte* space = workspace(exec.workspace(), info_.workspace_bytes, bytes_of(plan));
    const auto* left = exec.input<float>(product_.left);
    const auto* right = exec.input<float>(product_.right);
    auto* out = exec.output<float>(0);
    auto* total = product_.accumulate ? reinterpret_cast<float*>(space + sum_) : out;
    void* scratch = space + scratch_;
    for (std::int64_t chunk = 0; chunk < chunks_; ++chunk) {
      const Primitive& primitive = chunk == 0            ? *plan.first
                                   : chunk + 1 < chunks_ ? *plan.middle
                                                         : *plan.last;
      const float* a = left_chunk(left, chunk, space, plan.threads);
      const float* b = right_chunk(right, chunk, space, plan.threads);
      if (product_.epilogue.bias && chunks_ == 1) {
        const auto* bias = exec.input<float>(product_.epilogue.bias_input());
        primitive.execute({a, b, bias, total}, scratch);
      } else {
        primitive.execute({a, b, total}, scratch);
      }
    }
    if (product_.accumulate) {
      add_to(out, total, product_.batch * product_.rows * product_.cols, plan.threads);
    }
    finish_.run(exec, plan.threads, product_.batch * product_.rows, product_.cols);
    if (product_.sum_left) {
      common::column_sums(openmp(), plan.threads, left, product_.depth, product_.rows,
                          product_.accumulate, exec.output<float>(1), static_cast<float*>(scratch));
    }
  }

  const float* left_chunk(const float* left, std::int64_t chunk, std::byte* space,
                          int threads) const {
    const std::int64_t begin = chunk * kBlock;
    if (!copy_left_) return left + begin * product_.rows;  // [depth, rows], or the one chunk
    return copy_columns(left, product_.rows, begin, space + left_copy_, threads);
  }
  const float* right_chunk(const float* right, std::int64_t chunk, std::byte* space,
                           int threads) const {
    const std::int64_t begin = chunk * kBlock;
    if (!copy_right_) return right + begin * product_.cols;
    return copy_columns(right, product_.cols, begin, space + right_copy_, threads);
  }
  // Columns of one chunk of [rows, depth], dense.
  const float* copy_columns(const float* from, std::int64_t rows, std::int64_t begin, void* to,
                            int threads) const {
    const std::int64_t kc = std::min(kBlock, product_.depth - begin);
    auto* dense = static_cast<float*>(to);
    openmp().run(threads, rows, 32, [&](std::int64_t row, std::int64_t end) {
      for (; row < end; ++row) {
        std::memcpy(dense + row * kc, from + row * product_.depth + begin,
                    static_cast<std::size_t>(kc) * sizeof(float));
      }
    });
    return dense;
  }

  // Null unless oneDNN takes the implementation whose order is known.
  std::unique_ptr<Primitive> make_chunk(std::int64_t kc, bool first) const {
    const auto operand = [this](std::int64_t rows, std::int64_t cols, bool transposed) {
      return product_.batch == 1
                 ? layout({rows, cols}, transposed ? Tag::ba : Tag::ab)
                 : layout({product_.batch, rows, cols}, transposed ? Tag::acb : Tag::abc);
    };
    const Layout left = operand(product_.rows, kc, product_.left_transposed);
    const Layout right = operand(kc, product_.cols, product_.right_transposed);
    const Layout out = operand(product_.rows, product_.cols, false);
    const Layout bias = layout({1, product_.cols}, Tag::ab);
    const bool with_bias = product_.epilogue.bias && chunks_ == 1;
    dnnl::post_ops after;
    if (first) {
      append_eltwise(after, dnnl::algorithm::eltwise_linear, 1.0f, 0.0f);
    } else {
      after.append_sum();
    }
    const auto descriptor =
        describe_matmul(left, right, with_bias ? &bias : nullptr, out, attributes(after));
    if (!available(descriptor) ||
        std::string_view(descriptor.impl_info_str()).substr(0, 3) != "brg") {
      return nullptr;
    }
    const Argument a{DNNL_ARG_SRC, left}, b{DNNL_ARG_WEIGHTS, right}, c{DNNL_ARG_DST, out};
    if (with_bias) {
      return Primitive::create<dnnl::matmul>(descriptor, {a, b, {DNNL_ARG_BIAS, bias}, c});
    }
    return Primitive::create<dnnl::matmul>(descriptor, {a, b, c});
  }

  std::unique_ptr<Plan> make_plan(int threads) const {
    auto plan = std::make_unique<Plan>();
    plan->threads = threads;
    {
      const TeamScope scope(threads);
      plan->first = make_chunk(std::min(kBlock, product_.depth), true);
      if (!plan->first) return nullptr;
      if (chunks_ > 2 && !(plan->middle = make_chunk(kBlock, false))) return nullptr;
      if (chunks_ > 1) {
        plan->last = make_chunk(product_.depth - (chunks_ - 1) * kBlock, false);
        if (!plan->last) return nullptr;
      }
    }
    if (!agrees(*plan)) return nullptr;
    return plan;
  }

  bool agrees(const Plan& plan) const;

  Op op_;
  MatrixProduct product_;
  std::int64_t chunks_;
  Finish finish_;
  int base_team_;
  bool copy_left_ = false, copy_right_ = false;
  WorkspaceLayout space_;
  std::size_t left_copy_ = 0, right_copy_ = 0, sum_ = 0, scratch_ = 0;
  PerTeam<Plan> plans_;
};

// Numbers in [-1, 1); splitmix64 (Steele, Lea, Flood: Fast splittable pseudorandom number
// generators, OOPSLA 2014).
class Numbers {
 public:
  float next() {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return static_cast<float>(static_cast<std::int32_t>(z >> 32)) * 0x1p-31f;
  }

 private:
  std::uint64_t state_ = 1;
};

std::vector<float> random_tensor(Numbers& numbers, const Shape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.elements()));
  for (float& value : values) value = numbers.next();
  return values;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return std::ranges::equal(a, b, [](float x, float y) {
    return std::bit_cast<std::uint32_t>(x) == std::bit_cast<std::uint32_t>(y) ||
           (std::isnan(x) && std::isnan(y));
  });
}

// The verdicts of this process: kernels of one shape are prepared many times.
class Verdicts {
 public:
  template <class Check>
  bool of(const std::string& key, Check&& check) {
    const std::lock_guard lock(mutex_);
    const auto known = verdicts_.find(key);
    if (known != verdicts_.end()) return known->second;
    return verdicts_[key] = check();
  }

 private:
  std::mutex mutex_;
  std::map<std::string, bool> verdicts_;
};

// One execution of a kernel on the given tensors, with a workspace and a pack of its own.
template <class Execute>
void execute_once(const sdk::KernelInfo& info, const std::vector<std::vector<float>>& inputs,
                  std::vector<std::vector<float>>& outputs, int threads, const sdk::Kernel* packer,
                  Execute&& execute) {
  struct alignas(64) Line {
    std::byte bytes[64];
  };
  std::vector<Line> space(info.workspace_bytes / 64 + 1), pack(info.pack_bytes / 64 + 1);
  std::vector<const void*> in;
  std::vector<void*> out;
  for (const auto& tensor : inputs) in.push_back(tensor.data());
  for (auto& tensor : outputs) out.push_back(tensor.data());
  const soma_exec exec{sizeof(soma_exec), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, threads,    0,
                       in.data(),         out.data(),     space.data(),   pack.data()};
  if (packer != nullptr && info.pack_bytes > 0) packer->pack(sdk::Exec(exec), pack.data());
  execute(sdk::Exec(exec));
}

// Random operands of the whole shape, some rows and columns so small that products of them
// underflow to -0, an Inf and a NaN in the last row: the bits of one execution must be canonical.
bool ExactProduct::agrees(const Plan& plan) const {
  static Verdicts verdicts;
  return verdicts.of(op_.str() + " threads=" + std::to_string(plan.threads), [&] {
    Numbers numbers;
    std::vector<std::vector<float>> inputs, outputs;
    for (const TensorInfo& info : op_.inputs) inputs.push_back(random_tensor(numbers, info.shape));
    for (const TensorInfo& info : op_.outputs)
      outputs.push_back(random_tensor(numbers, info.shape));
    const auto left = [&](std::int64_t m, std::int64_t k) -> float& {
      const std::int64_t at =
          product_.left_transposed ? k * product_.rows + m : m * product_.depth + k;
      return inputs[static_cast<std::size_t>(product_.left)][static_cast<std::size_t>(at)];
    };
    const auto right = [&](std::int64_t k, std::int64_t n) -> float& {
      const std::int64_t at =
          product_.right_transposed ? n * product_.depth + k : k * product_.cols + n;
      return inputs[static_cast<std::size_t>(product_.right)][static_cast<std::size_t>(at)];
    };
    for (std::int64_t k = 0; k < product_.depth; ++k) {
      for (std::int64_t m = 0; m < product_.rows; m += 3) left(m, k) *= 1e-30f;
      for (std::int64_t n = 0; n < product_.cols; n += 5) right(k, n) *= 1e-30f;
    }
    if (product_.rows > 2) {
      left(product_.rows - 1, 0) = std::numeric_limits<float>::infinity();
      left(product_.rows - 2, product_.depth - 1) = std::numeric_limits<float>::quiet_NaN();
    }
    auto expected = outputs;
    const auto canonical = common::make_canonical_kernel(op_, openmp());
    execute_once(canonical->info(), inputs, expected, plan.threads, canonical.get(),
                 [&](const sdk::Exec& exec) { canonical->execute(exec); });
    execute_once(info_, inputs, outputs, plan.threads, nullptr,
                 [&](const sdk::Exec& exec) { run(plan, exec); });
    return std::ranges::equal(expected, outputs, same_bits);
  });
}

}  // namespace

KernelPtr make_exact_product(const Op& op, const MatrixProduct& product) {
  if (product.work() > kMostChecked) return nullptr;
  if (product.depth > kBlock) {
    if (product.batch > 1) return nullptr;
    // Copied chunks cost what the canonical kernel saves by packing, and it keeps its packs.
    const bool copies = !product.left_transposed || product.right_transposed;
    if (copies && (product.depth > 2 * kBlock || product.pack_right)) return nullptr;
  }
  auto kernel = std::make_unique<ExactProduct>(op, product);
  if (!kernel->usable()) return nullptr;
  return kernel;
}

}  // namespace soma::onednn
