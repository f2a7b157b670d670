#include "soma/backend.hpp"

#include <atomic>
#include <chrono>
#include <exception>
#include <mutex>
#include <set>

#include "plugins/calls.hpp"
#include "plugins/entrance.hpp"
#include "plugins/fp_environment.hpp"
#include "plugins/preference.hpp"
#include "plugins/registry.hpp"

namespace soma {

using Clock = std::chrono::steady_clock;
using plugins::CanonicalFp;
using plugins::headed;
using plugins::Registry;
using plugins::rethrow;
using plugins::Text;

struct Backend::State {
  soma_backend table;
  soma_context* context = nullptr;
  Numerics numerics;
  std::string name, summary, runtime;
  std::filesystem::path path;

  /// For ops that this one lacks, and the account of what it did.
  std::shared_ptr<const State> fallback;
  mutable std::mutex mutex;
  mutable std::set<std::string> fallen;  // op ids
  mutable std::atomic<std::int64_t> own_ns{0}, fallback_ns{0};

  State(const Registry::BackendSource& source, Numerics of)
      : table(*source.table),
        numerics(of),
        name(table.name),
        summary(table.summary),
        runtime(table.runtime),
        path(*source.file) {
    if (numerics == Numerics::bf16 && (table.more_numerics >> SOMA_NUMERICS_BF16 & 1) == 0) {
      throw UnsupportedError("backend '" + name +
                             "' does not offer bf16 numerics: it computes in float32 alone (" +
                             path.string() + ")");
    }
    auto abi = headed<soma_backend_options>();
    abi.numerics = static_cast<std::int32_t>(numerics);
    Text why;
    const CanonicalFp fp;
    const soma_status status = table.open(&abi, &context, why.get());
    if (status != SOMA_OK) {
      rethrow(status,
              "backend '" + name + "' cannot be opened: " + why.str() + " (" + path.string() + ")");
    }
  }
  ~State() { plugins::exiting() ? plugins::abandon(context) : table.close(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  bool supports(const Op& op, std::string* why) const {
    const AbiOp abi(op);
    Text text;
    const CanonicalFp fp;
    if (table.supports(context, abi.get(), text.get()) == SOMA_OK) return true;
    if (why != nullptr) *why = text.str();
    return false;
  }
  [[noreturn]] void fail(soma_status status, const Op& op, const char* doing, Text& why) const {
    rethrow(status, "backend '" + name + "' " + doing + " " + op.str() + ": " + why.str() + " (" +
                        path.string() + ")");
  }
};

struct Kernel::State {
  std::shared_ptr<const Backend::State> backend;
  std::shared_ptr<const Backend::State> account = nullptr;  // of a backend with a fallback
  Op op;
  soma_kernel* kernel = nullptr;
  Info info;

  State(std::shared_ptr<const Backend::State> from, const Op& what)
      : backend(std::move(from)), op(what) {
    const soma_backend& table = backend->table;
    const AbiOp abi(op);
    auto about = headed<soma_kernel_info>();
    Text why;
    const CanonicalFp fp;
    const soma_status status =
        table.prepare(backend->context, abi.get(), &kernel, &about, why.get());
    if (status != SOMA_OK) backend->fail(status, op, "cannot prepare", why);
    try {
      take(about);
    } catch (...) {
      table.release(kernel);
      throw;
    }
  }
  ~State() { plugins::exiting() ? plugins::abandon(kernel) : backend->table.release(kernel); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

 private:
  void take(const soma_kernel_info& about) {
    if ((about.exactness != SOMA_EXACT && about.exactness != SOMA_BOUNDED) ||
        (about.pack_bytes > 0 && backend->table.pack == nullptr)) {
      throw PluginError(
          "backend '" + backend->name + "' describes its kernel for " + op.str() +
          " wrongly: no exactness class, or a pack without a function that fills it (" +
          backend->path.string() + ")");
    }
    info.exactness = static_cast<Exactness>(about.exactness);
    info.packed_inputs = about.packed_inputs;
    info.workspace_bytes = about.workspace_bytes;
    info.pack_bytes = about.pack_bytes;
    info.implementation = about.implementation != nullptr ? about.implementation : "";
  }
};

const char* name_of(Numerics numerics) noexcept {
  return numerics == Numerics::bf16 ? "bf16" : numerics == Numerics::exact ? "exact" : "fast";
}

const Op& Kernel::op() const { return state_->op; }
const Kernel::Info& Kernel::info() const { return state_->info; }

namespace {

soma_exec exec_of(const Kernel::Buffers& buffers, int threads) {
  if (threads < 1) throw ShapeError("threads: expected 1 or more, got " + std::to_string(threads));
  auto exec = headed<soma_exec>();
  exec.threads = threads;
  exec.inputs = buffers.inputs;
  exec.outputs = buffers.outputs;
  exec.workspace = buffers.workspace;
  exec.pack = buffers.pack;
  return exec;
}

}  // namespace

void Kernel::pack(const Buffers& buffers, void* pack, int threads) const {
  const soma_exec exec = exec_of(buffers, threads);
  if (state_->info.pack_bytes == 0) return;
  Text why;
  const CanonicalFp fp;
  const soma_status status = state_->backend->table.pack(state_->kernel, &exec, pack, why.get());
  if (status != SOMA_OK) state_->backend->fail(status, state_->op, "failed to pack for", why);
}

void Kernel::execute(const Buffers& buffers, int threads) const {
  const soma_exec exec = exec_of(buffers, threads);
  Text why;
  const CanonicalFp fp;
  const Backend::State* account = state_->account.get();
  const auto start = account == nullptr ? Clock::time_point() : Clock::now();
  const soma_status status = state_->backend->table.execute(state_->kernel, &exec, why.get());
  if (account != nullptr) {
    auto& spent = account == state_->backend.get() ? account->own_ns : account->fallback_ns;
    spent.fetch_add(std::chrono::nanoseconds(Clock::now() - start).count(),
                    std::memory_order_relaxed);
  }
  if (status != SOMA_OK) state_->backend->fail(status, state_->op, "failed in", why);
}

const std::string& Backend::name() const { return state_->name; }
const std::string& Backend::summary() const { return state_->summary; }
const std::string& Backend::runtime() const { return state_->runtime; }
Numerics Backend::numerics() const { return state_->numerics; }
const std::filesystem::path& Backend::path() const { return state_->path; }

std::vector<std::string> Backend::op_ids() const {
  return {state_->table.op_ids, state_->table.op_ids + state_->table.op_count};
}

bool Backend::supports(const Op& op, std::string* why) const {
  if (state_->supports(op, why)) return true;
  return state_->fallback != nullptr && state_->fallback->supports(op, nullptr);
}

Kernel Backend::prepare(const Op& op) const {
  const auto& fallback = state_->fallback;
  if (fallback == nullptr) return Kernel(std::make_shared<const Kernel::State>(state_, op));
  try {
    auto kernel = std::make_shared<Kernel::State>(state_, op);
    kernel->account = state_;
    return Kernel(std::move(kernel));
  } catch (const UnsupportedError&) {
    auto kernel = std::make_shared<Kernel::State>(fallback, op);
    kernel->account = state_;
    kernel->info.implementation = fallback->name + "/" + kernel->info.implementation;
    const std::scoped_lock lock(state_->mutex);
    state_->fallen.insert(op.id);
    return Kernel(std::move(kernel));
  }
}

FallbackReport Backend::fallback() const {
  FallbackReport report;
  if (state_->fallback == nullptr) return report;
  report.backend = state_->fallback->name;
  const std::scoped_lock lock(state_->mutex);
  report.ops.assign(state_->fallen.begin(), state_->fallen.end());
  const auto fallen = static_cast<double>(state_->fallback_ns.load());
  const double all = fallen + static_cast<double>(state_->own_ns.load());
  report.share = all == 0 ? 0 : fallen / all;
  return report;
}

void Backend::parallel_for(int threads, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                           void* argument) const {
  if (threads < 1) throw ShapeError("threads: expected 1 or more, got " + std::to_string(threads));
  if (n <= 0) return;
  const CanonicalFp fp;
  if (state_->table.parallel_for == nullptr) {
    fn(argument, 0, n);
    return;
  }
  const soma_status status =
      state_->table.parallel_for(state_->context, threads, n, grain < 1 ? 1 : grain, fn, argument);
  if (status != SOMA_OK) {
    rethrow(status, "backend '" + name() + "' failed in parallel_for (" + path().string() + ")");
  }
}

void Backend::parallel_for(int threads, std::int64_t n, std::int64_t grain,
                           const std::function<void(std::int64_t, std::int64_t)>& fn) const {
  // No exception may leave fn through the plugin's loop: the first is kept and thrown afterwards.
  struct Call {
    const std::function<void(std::int64_t, std::int64_t)>& fn;
    std::atomic_flag failed = ATOMIC_FLAG_INIT;
    std::exception_ptr error = nullptr;
  } call{.fn = fn};
  parallel_for(
      threads, n, grain,
      [](void* argument, std::int64_t begin, std::int64_t end) {
        auto& to = *static_cast<Call*>(argument);
        try {
          to.fn(begin, end);
        } catch (...) {
          if (!to.failed.test_and_set()) to.error = std::current_exception();
        }
      },
      &call);
  if (call.error) std::rethrow_exception(call.error);
}

Backend backend(std::string_view name, const BackendOptions& options) {
  const auto open = [&](std::string_view wanted) {
    const auto state = [](std::string_view of, Numerics numerics) {
      return std::make_shared<Backend::State>(Registry::instance().backend(of), numerics);
    };
    auto opened = state(wanted, options.numerics);
    if (!options.fallback.empty() && options.fallback != opened->name) {
      const bool bf16 = options.numerics == Numerics::bf16;
      opened->fallback = state(options.fallback, bf16 ? Numerics::fast : options.numerics);
    }
    return Backend(std::move(opened));
  };
  if (name != "auto") return open(name);
  std::string why_not;
  for (const char* candidate : plugins::kPreference) {
    try {
      return open(candidate);
    } catch (const Error& e) {
      why_not += (why_not.empty() ? "" : "; ") + std::string(e.what());
    }
  }
  throw PluginError("backend 'auto' found none that is ready: " + why_not);
}

std::vector<std::string> backend_names() { return Registry::instance().backend_names(); }

}  // namespace soma
