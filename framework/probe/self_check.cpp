#include "self_check.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <limits>
#include <vector>

#include "plugins/fp_environment.hpp"

namespace soma::probe {
namespace {

using plugins::FpControl;
using plugins::Rejection;
using Begins = std::function<void(const std::string&)>;

Rejection wrong(const std::string& what, const std::string& did) {
  return {"self_check", what + " " + did};
}

/// Announces a call, makes it, and looks at the floating-point environment after it.
template <class Call>
Rejection watched(const Begins& begins, const std::string& what, Call call) {
  begins(what);
  const FpControl before = FpControl::read();
  call();
  const FpControl after = FpControl::read();
  before.restore();
  return after == before ? Rejection{} : wrong(what, "changed the floating-point environment");
}

// --- activations

/// Numbers of every kind: ordinary ones, both zeros, infinities, NaN, and the ends of the range. An
/// odd count longer than any vector register, so that loops have a rest.
template <class T>
std::vector<T> probe_values() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> x = {T(0),
                      -T(0),
                      Limits::infinity(),
                      -Limits::infinity(),
                      Limits::max(),
                      Limits::lowest(),
                      Limits::denorm_min(),
                      -Limits::denorm_min(),
                      Limits::min(),
                      Limits::quiet_NaN()};
  for (int i = -30; i <= 30; ++i) x.push_back(T(i) / 4);
  return x;
}

/// A result between two guards.
template <class T>
class Guarded {
 public:
  explicit Guarded(std::size_t n) : all_(n + 2 * kGuard, kMark), n_(n) {}
  T* data() { return all_.data() + kGuard; }
  bool intact() const {
    const auto is_mark = [](T v) { return v == kMark; };
    return std::all_of(all_.begin(), all_.begin() + kGuard, is_mark) &&
           std::all_of(all_.end() - kGuard, all_.end(), is_mark);
  }
  bool same_bits(Guarded& other) { return std::memcmp(data(), other.data(), n_ * sizeof(T)) == 0; }

 private:
  static constexpr std::size_t kGuard = 64;
  static constexpr T kMark = T(12345.5);
  std::vector<T> all_;
  std::size_t n_;
};

template <class T>
Rejection check_functions(const std::string& name, const Begins& begins,
                          void (*forward)(const T*, T*, std::int64_t),
                          void (*backward)(const T*, const T*, T*, std::int64_t)) {
  const std::vector<T> x = probe_values<T>(), ones(x.size(), T(1));
  const auto n = static_cast<std::int64_t>(x.size());
  const std::string type = sizeof(T) == 4 ? "_f32" : "_f64";
  if (forward != nullptr) {
    const std::string what = "forward" + type + " of " + name;
    Guarded<T> y(x.size()), in_place(x.size());
    std::ranges::copy(x, in_place.data());
    if (Rejection no = watched(begins, what, [&] {
          forward(x.data(), y.data(), n);
          forward(in_place.data(), in_place.data(), n);
        }))
      return no;
    if (!y.intact() || !in_place.intact()) return wrong(what, "wrote outside its buffer");
    if (!y.same_bits(in_place)) return wrong(what, "gave other bits when it ran in place");
  }
  if (backward != nullptr) {
    const std::string what = "backward" + type + " of " + name;
    Guarded<T> grad_x(x.size());
    if (Rejection no =
            watched(begins, what, [&] { backward(x.data(), ones.data(), grad_x.data(), n); }))
      return no;
    if (!grad_x.intact()) return wrong(what, "wrote outside its buffer");
  }
  return {};
}

Rejection check_activation(const soma_activation& a, const Begins& begins) {
  const std::string name = std::string("activation '") + a.name + "'";
  if (Rejection no = check_functions<float>(name, begins, a.forward_f32, a.backward_f32)) return no;
  return check_functions<double>(name, begins, a.forward_f64, a.backward_f64);
}

// --- backends

/// Counts how often each index of a loop came.
struct Visits {
  static constexpr std::int64_t kCount = 1000;
  std::array<std::atomic<int>, kCount> seen{};
  std::atomic<bool> outside{false};

  static void visit(void* self, std::int64_t begin, std::int64_t end) {
    auto& visits = *static_cast<Visits*>(self);
    if (begin < 0 || end > kCount) {
      visits.outside = true;
      return;
    }
    for (std::int64_t i = begin; i < end; ++i) ++visits.seen[static_cast<std::size_t>(i)];
  }
  bool each_once() const {
    return !outside && std::ranges::all_of(seen, [](const auto& count) { return count == 1; });
  }
};

soma_op unknown_op(const soma_tensor* tensor) {
  soma_op op{};
  op.struct_size = sizeof op;
  op.major = SOMA_ABI_MAJOR;
  op.minor = SOMA_ABI_MINOR;
  op.id = "no_such_family/1.fwd";
  op.inputs = op.outputs = tensor;
  op.input_count = op.output_count = 1;
  op.purpose = SOMA_INFER;
  return op;
}

/// One opened backend; a backend may refuse a kind of numerics.
Rejection check_opened(const soma_backend& table, const std::string& name, std::int32_t numerics,
                       const Begins& begins) {
  std::array<char, 1024> buffer{};
  soma_text why{buffer.data(), buffer.size()};
  soma_backend_options options{};
  options.struct_size = sizeof options;
  options.major = SOMA_ABI_MAJOR;
  options.minor = SOMA_ABI_MINOR;
  options.numerics = numerics;
  soma_context* context = nullptr;
  soma_status status = SOMA_OK;
  if (Rejection no = watched(begins, "opening " + name,
                             [&] { status = table.open(&options, &context, &why); }))
    return no;
  if (status != SOMA_OK) return {};

  const soma_tensor tensor{SOMA_F32, 1, {4}};
  const soma_op op = unknown_op(&tensor);
  const std::string asking = name + ", asked for an op that does not exist,";
  if (Rejection no = watched(begins, asking, [&] { status = table.supports(context, &op, &why); }))
    return no;
  if (status == SOMA_OK) return wrong(asking, "said that it has it");

  if (table.parallel_for != nullptr) {
    constexpr int kThreads = 2, kGrain = 7;
    const std::string what = "parallel_for of " + name;
    Visits visits;
    if (Rejection no = watched(begins, what, [&] {
          status =
              table.parallel_for(context, kThreads, Visits::kCount, kGrain, Visits::visit, &visits);
        }))
      return no;
    if (status == SOMA_OK && !visits.each_once())
      return wrong(what, "did not visit each index once");
  }
  return watched(begins, "closing " + name, [&] { table.close(context); });
}

Rejection check_backend(const soma_backend& table, const Begins& begins) {
  const std::string name = std::string("backend '") + table.name + "'";
  for (const std::int32_t numerics :
       {SOMA_NUMERICS_FAST, SOMA_NUMERICS_EXACT, SOMA_NUMERICS_BF16}) {
    const bool offered =
        numerics != SOMA_NUMERICS_BF16 || (table.more_numerics >> SOMA_NUMERICS_BF16 & 1) != 0;
    if (!offered) continue;
    if (Rejection no = check_opened(table, name, numerics, begins)) return no;
  }
  return {};
}

}  // namespace

Rejection self_check(const plugins::Manifest& manifest, const Begins& begins) {
  for (const soma_backend& backend : manifest.backends) {
    if (Rejection no = check_backend(backend, begins)) return no;
  }
  for (const soma_activation& activation : manifest.activations) {
    if (Rejection no = check_activation(activation, begins)) return no;
  }
  return {};
}

}  // namespace soma::probe
