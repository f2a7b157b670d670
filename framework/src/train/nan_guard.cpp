#include "train/nan_guard.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>

namespace soma {
namespace {

constexpr std::int64_t kGrain = 1 << 16;
constexpr int kQuietUpdates = 64;
constexpr std::uint32_t kMagnitude = 0x7FFFFFFF;

const std::uint32_t kGradientLimit = std::bit_cast<std::uint32_t>(0x1p40f);
const std::uint32_t kStateLimit = std::bit_cast<std::uint32_t>(0x1p50f);
constexpr double kRateLimit = 1024;

std::int64_t first_non_finite(std::span<const float> numbers) {
  const auto it = std::ranges::find_if(numbers, [](float x) { return !std::isfinite(x); });
  return it == numbers.end() ? -1 : it - numbers.begin();
}

bool has_bounds(const Optimizer& optimizer, const Regularization& regularization) {
  constexpr const char* kKnown[] = {"sgd", "adam", "adamw", "nadam", "adagrad", "rmsprop", "lion"};
  const Attributes& o = optimizer.options;
  if (std::ranges::find(kKnown, optimizer.type) == std::end(kKnown) || o.flag("centered")) {
    return false;
  }
  for (const auto& [name, value] : o.entries()) {
    const double* x = std::get_if<double>(&value);
    if (x == nullptr) continue;
    if (name == "epsilon" ? *x < 1e-10 : !(*x >= 0 && *x <= 1)) return false;
    const bool decays = name.starts_with("beta") || name == "decay" || name == "momentum";
    if (decays && *x > 0.9999) return false;
  }
  return regularization.l1 <= 1 && regularization.l2 <= 1 && regularization.max_norm == 0;
}

struct Scan {
  const std::uint32_t* bits;
  std::atomic<std::uint32_t> largest{0};
};

std::span<const float> floats_at(const Program& program, const Program::Instance& instance,
                                 int value) {
  const auto size = static_cast<std::size_t>(program.graph().shape(value).elements());
  return {reinterpret_cast<const float*>(program.address(instance, value)), size};
}

}  // namespace

std::uint32_t largest_bits(const Backend& backend, int threads, std::span<const float> numbers) {
  Scan scan{reinterpret_cast<const std::uint32_t*>(numbers.data())};
  backend.parallel_for(
      threads, std::ssize(numbers), kGrain,
      [](void* argument, std::int64_t begin, std::int64_t end) {
        Scan& s = *static_cast<Scan*>(argument);
        std::uint32_t largest = 0;
        for (std::int64_t i = begin; i < end; ++i) {
          largest = std::max(largest, s.bits[i] & kMagnitude);
        }
        std::uint32_t before = s.largest.load(std::memory_order_relaxed);
        while (before < largest && !s.largest.compare_exchange_weak(before, largest)) {
        }
      },
      &scan);
  return scan.largest;
}

void FirstNonFinite::before(const StepKernel& kernel) {
  for (const StepTensor& t : kernel.inputs) {
    // What a kernel computed was looked at when it had run.
    const auto root = static_cast<std::size_t>(graph_.root(t.value));
    const Graph::Source source = graph_.values[root].source;
    const bool memory = source == Graph::Source::parameter || source == Graph::Source::state;
    const bool data = source == Graph::Source::input || source == Graph::Source::targets;
    if (memory || (data && scope_ == Scope::everything)) look_at(kernel, t, false);
  }
}

void FirstNonFinite::after(const StepKernel& kernel) {
  if (scope_ != Scope::everything) return;
  for (const StepTensor& t : kernel.outputs) look_at(kernel, t, true);
}

void FirstNonFinite::look_at(const StepKernel& kernel, const StepTensor& tensor,
                             bool computed) const {
  if (tensor.type != DType::f32) return;
  if (largest_bits(backend_, threads_, tensor.floats()) < kNonFinite) return;
  report(kernel, tensor, first_non_finite(tensor.floats()), computed);
}

void FirstNonFinite::report(const StepKernel& kernel, const StepTensor& tensor, std::int64_t at,
                            bool computed) const {
  std::string layer(kernel.layer);
  const auto& root = graph_.values[static_cast<std::size_t>(graph_.root(tensor.value))];
  if (root.source == Graph::Source::parameter || root.source == Graph::Source::state) {
    const std::string& owner = graph_.parameters[static_cast<std::size_t>(root.index)].name;
    if (kernel.phase == KernelTime::Phase::update) layer = owner.substr(0, owner.find('.'));
  }
  throw NonFiniteError({kernel.step, std::move(layer), kernel.phase, kernel.op->id,
                        std::string(tensor.name), at, tensor.floats()[static_cast<std::size_t>(at)],
                        computed});
}

UpdateGuard::UpdateGuard(const Optimizer& optimizer, const Regularization& regularization)
    : bounded_(has_bounds(optimizer, regularization)) {}

bool UpdateGuard::gradients_finite(const Program& program, const Program::Instance& instance,
                                   const Backend& backend, int threads) {
  for (const int value : program.graph().gradients) {
    if (value < 0) continue;
    gradient_bits_ = std::max(gradient_bits_,
                              largest_bits(backend, threads, floats_at(program, instance, value)));
  }
  return gradient_bits_ < kNonFinite;
}

NonFinite UpdateGuard::after_update(const Program& program, const Program::Instance& instance,
                                    const Backend& backend, int threads, double learning_rate,
                                    const std::function<std::vector<std::string>()>& names) {
  const bool calm = bounded_ && gradient_bits_ <= kGradientLimit && learning_rate <= kRateLimit;
  if (calm && quiet_left_ > 0) {
    --quiet_left_;
    return {};
  }
  const Graph& graph = program.graph();
  std::uint32_t largest = 0;
  for (const Graph::Node& node : graph.nodes) {
    if (node.phase != Graph::Phase::update) continue;
    // State is computed before the weight that it changes.
    for (std::size_t i = node.outputs.size(); i-- > 0;) {
      const int value = node.outputs[i];
      const auto& root = graph.values[static_cast<std::size_t>(graph.root(value))];
      if (root.source == Graph::Source::node) continue;  // a gradient on its way
      const auto numbers = floats_at(program, instance, value);
      const std::uint32_t bits = largest_bits(backend, threads, numbers);
      largest = std::max(largest, bits);
      if (bits < kNonFinite) continue;
      const std::string name = names()[static_cast<std::size_t>(value)];
      const std::int64_t at = first_non_finite(numbers);
      const auto& owner = graph.parameters[static_cast<std::size_t>(root.index)].name;
      return {.layer = owner.substr(0, owner.find('.')),
              .phase = KernelTime::Phase::update,
              .op = node.op.id,
              .tensor = name,
              .index = at,
              .value = numbers[static_cast<std::size_t>(at)]};
    }
  }
  quiet_left_ = calm && largest <= kStateLimit ? kQuietUpdates - 1 : 0;
  return {};
}

}  // namespace soma
