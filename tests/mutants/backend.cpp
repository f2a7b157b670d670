// A backend that is right, unless SOMA_MUTANT names a bug: then it has that one.
#include "soma/sdk/backend.hpp"

#include <dlfcn.h>
#include <unistd.h>
#include <xmmintrin.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "kernels.hpp"
#include "mutant.hpp"
#include "parallel.hpp"
#include "pool.hpp"

namespace {

using namespace soma;
using mutants::is_planted;

std::atomic<int> open_contexts, contexts_ever;
volatile char member_read;  // so that the reading is not left out

bool empty(const Op& op) {
  for (const auto* tensors : {&op.inputs, &op.outputs}) {
    for (const TensorInfo& t : *tensors) {
      if (t.shape.elements() == 0) return true;
    }
  }
  return false;
}

/// True if the planted bug shows on `op`.
bool shows_on(const Op& op) {
  const mutants::Mutant* m = mutants::planted();
  if (m == nullptr || m->subject != mutants::Subject::backend) return false;
  if (op.id != (m->within != nullptr ? m->within : m->op)) return false;
  if (empty(op) && !m->on_empty) return false;
  return m->at == nullptr || m->at(op);
}

/// When the library is loaded and when the process ends.
struct Life {
  Life() {
    if (is_planted("static_constructor_aborts")) std::abort();
    if (is_planted("static_constructor_throws")) throw std::runtime_error("no luck today");
    if (is_planted("flushes_when_loaded")) _mm_setcsr(_mm_getcsr() | 0x8040);
  }
  ~Life() {
    if (is_planted("static_destructor_crashes")) *static_cast<volatile int*>(nullptr) = 1;
    while (is_planted("context_left_open_hangs") && open_contexts > 0) pause();
  }
} life;

class Loops final : public common::Parallel {
 public:
  void run(int threads, std::int64_t n, std::int64_t grain, Body body) const override {
    const common::FloatEnvironment environment;
    pool_.run(
        threads, n, grain,
        [](void* argument, std::int64_t begin, std::int64_t end) {
          (*static_cast<const Body*>(argument))(begin, end);
        },
        &body);
  }

 private:
  mutable Pool pool_;
};

class Kernel final : public sdk::Kernel {
 public:
  Kernel(const Op& op, sdk::Numerics numerics, const common::Parallel& loops) : op_(op) {
    if (shows_on(op)) mutant_ = mutants::planted();
    const bool other = mutant_ != nullptr && mutant_->as != nullptr;
    right_ = common::make_canonical_kernel(other ? mutant_->as(op) : op, loops);
    const bool bounded =
        numerics != sdk::Numerics::exact || (mutant_ != nullptr && is_planted("bounded_in_exact"));
    info_.exactness = bounded ? sdk::Exactness::bounded : sdk::Exactness::exact;
    info_.implementation = "mutant:canonical";
    info_.workspace_bytes = mutants::Call::right_workspace_bytes(*right_) + 64;
    if (mutant_ != nullptr && is_planted("leaks_per_kernel")) lost_ = std::malloc(100);
  }

  void execute(const sdk::Exec& exec) const override {
    const mutants::Call call(op_, exec, *right_);
    if (mutant_ != nullptr && mutant_->run != nullptr) return mutant_->run(call);
    call.right();
    if (mutant_ != nullptr && is_planted("second_context") && open_contexts > 1) {
      call.out()[0] = std::nextafter(call.out()[0], 1e30f);
    }
  }

 private:
  Op op_;
  const mutants::Mutant* mutant_ = nullptr;
  std::unique_ptr<sdk::Kernel> right_;
  void* volatile lost_ = nullptr;
};

class Backend final : public sdk::Backend {
 public:
  static constexpr const char* kName = "mutant";
  static constexpr const char* kSummary = "right, but for the bug that was ordered";
  static constexpr const char* kRuntime = "std::thread";
  static constexpr bool kHasBf16 = true;  // as one may that rounds nothing
  static std::span<const char* const> op_ids() { return common::canonical_op_ids(); }

  explicit Backend(sdk::Numerics numerics) : numerics_(numerics) {
    if (is_planted("opens_64_times") && ++contexts_ever > 64) {
      throw std::runtime_error("out of contexts");
    }
    if (is_planted("leaks_per_context")) lost_ = std::malloc(64);
    if (is_planted("leaks_threads")) {
      std::thread([] {
        while (true) pause();
      }).detach();
    }
    ++open_contexts;
  }
  ~Backend() override { --open_contexts; }

  std::unique_ptr<sdk::Kernel> prepare(const Op& op) override {
    if (is_planted("supports_too_much") && shows_on(op)) throw UnsupportedError("4 axes");
    if (is_planted("prepare_throws") && shows_on(op)) throw std::runtime_error("33 channels");
    if (is_planted("declares_and_refuses") && op.id == "permute/1.fwd") {
      throw UnsupportedError("not yet");
    }
    if (is_planted("forward_without_backward") && op.id == "softsign/1.bwd") {
      throw UnsupportedError("not yet");
    }
    return std::make_unique<Kernel>(op, numerics_, loops_);
  }

  void parallel_for(int threads, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                    void* argument) override {
    if (is_planted("loop_loses_its_end") && n > grain) n = n / grain * grain;
    if (is_planted("loop_overlaps") && threads == 3 && n > 64) fn(argument, 64, 65);
    if (is_planted("loop_keeps_its_threads")) {
      static const int first = threads;
      threads = std::min(first, threads);
    }
    loops_.run(threads, n, grain,
               [=](std::int64_t begin, std::int64_t end) { fn(argument, begin, end); });
    if (is_planted("loop_flushes")) _mm_setcsr(_mm_getcsr() | 0x8040);
  }

 private:
  sdk::Numerics numerics_;
  Loops loops_;
  void* volatile lost_ = nullptr;
};

/// The backend's table, with claims that are not so where that was ordered.
const soma_backend& table() {
  static soma_backend made = [] {
    soma_backend t = sdk::backend_table<Backend>();
    static const auto honest = t.supports;
    t.supports = [](soma_context* context, const soma_op* op, soma_text* why) -> soma_status {
      const Op asked = op_from_abi(*op);
      const bool unknown = std::ranges::find(Backend::op_ids(), asked.id, [](const char* id) {
                             return std::string(id);
                           }) == Backend::op_ids().end();
      if (is_planted("supports_too_much") && shows_on(asked)) return SOMA_OK;
      if (is_planted("supports_anything") && unknown && asked.family() == "linear/1") {
        return SOMA_OK;
      }
      if (is_planted("supports_too_little") && shows_on(asked)) {
        sdk::write_text(why, "4 axes");
        return SOMA_UNSUPPORTED;
      }
      return honest(context, op, why);
    };
    return t;
  }();
  return made;
}

/// What the entry point hands out.
const soma_plugin* plugin() {
  static const soma_backend* const backends[] = {&table()};
  static const soma_plugin made = [] {
    soma_plugin p{sizeof(soma_plugin), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, "mutant", "1.0.0"};
    p.backends = backends;
    p.backend_count = 1;
    return p;
  }();
  static soma_plugin renamed = made;
  static soma_backend shorter = table();
  static const soma_backend* const shorter_list[] = {&shorter};
  static std::atomic<int> calls;
  if (is_planted("entry_alternates") && calls++ % 2 == 1) {
    renamed.name = "tnatum";
    return &renamed;
  }
  if (is_planted("other_ops_the_second_time") && calls++ % 2 == 1) {
    shorter.op_count = table().op_count - 1;
    renamed.backends = shorter_list;
    return &renamed;
  }
  if (is_planted("entry_half_built")) {
    static std::atomic<bool> begun, done;
    if (!begun.exchange(true)) {
      usleep(20000);
      done = true;
    }
    if (!done) return nullptr;
  }
  return &made;
}

}  // namespace

SOMA_PLUGIN_TAGS()
SOMA_PLUGIN_ENTRY_FUNCTION(host, plugin_table, why) {
  if (is_planted("entry_throws")) throw std::runtime_error("not today");
  if (is_planted("entry_aborts")) std::abort();
  while (is_planted("entry_hangs")) pause();
  if (is_planted("entry_needs_a_text")) why->data[0] = '\0';
  if (is_planted("refuses_newer_hosts") && host->minor > SOMA_ABI_MINOR) return SOMA_UNSUPPORTED;
  if (is_planted("reads_behind_the_host")) {
    member_read = *reinterpret_cast<const volatile char*>(host + 1);
  }
  *plugin_table = plugin();
  return SOMA_OK;
}
