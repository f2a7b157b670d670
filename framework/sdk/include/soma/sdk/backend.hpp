#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "soma/abi.h"
#include "soma/sdk/error.hpp"
#include "soma/sdk/export.hpp"
#include "soma/sdk/op.hpp"

namespace soma::sdk {

/// What a kernel promises about its bits; the conformance suite verifies it.
enum class Exactness : std::int32_t { exact = SOMA_EXACT, bounded = SOMA_BOUNDED };

enum class Numerics : std::int32_t {
  fast = SOMA_NUMERICS_FAST,
  exact = SOMA_NUMERICS_EXACT,
  bf16 = SOMA_NUMERICS_BF16
};

struct KernelInfo {
  Exactness exactness = Exactness::exact;
  std::uint32_t packed_inputs = 0;  // bit i: the pack depends on input i
  std::size_t workspace_bytes = 0;
  std::size_t pack_bytes = 0;
  std::string implementation;
};

/// Buffers and thread count of one execution, in the order of the op.
class Exec {
 public:
  explicit Exec(const soma_exec& exec) : exec_(&exec) {}
  int threads() const noexcept { return exec_->threads; }
  template <class T>
  const T* input(int i) const noexcept {
    return static_cast<const T*>(exec_->inputs[i]);
  }
  template <class T>
  T* output(int i) const noexcept {
    return static_cast<T*>(exec_->outputs[i]);
  }
  template <class T = void>
  T* workspace() const noexcept {
    return static_cast<T*>(exec_->workspace);
  }
  template <class T = void>
  const T* pack() const noexcept {
    return static_cast<const T*>(exec_->pack);
  }

 private:
  const soma_exec* exec_;
};

/// One prepared op. Immutable: execute may run on several threads at once, each with its own
/// buffers, and neither allocates nor locks.
class Kernel {
 public:
  virtual ~Kernel() = default;
  const KernelInfo& info() const noexcept { return info_; }
  /// Fills `pack` (info().pack_bytes, 64-byte aligned) from the packed inputs; called when they
  /// changed.
  virtual void pack(const Exec& /*exec*/, void* /*pack*/) const {}
  virtual void execute(const Exec& exec) const = 0;

 protected:
  KernelInfo info_;
};

/// A compute backend, opened with its options. A concrete class also has
///   static constexpr const char *kName, *kSummary, *kRuntime;
///   static std::span<const char* const> op_ids();          // every id it may support
///   explicit Class(Numerics numerics);                     // fast or exact
///   static constexpr bool kHasBf16 = true;                 // optional: takes Numerics::bf16 too,
///   or
///                                                          // throws UnsupportedError on this CPU
/// and is exported with SOMA_EXPORT_BACKEND(Class).
class Backend {
 public:
  virtual ~Backend() = default;
  /// Never null. Throws UnsupportedError with the reason when this backend cannot compute `op`.
  virtual std::unique_ptr<Kernel> prepare(const Op& op) = 0;
  /// Runs fn over [0, n) on up to `threads` threads in pieces of at least `grain`.
  virtual void parallel_for(int threads, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                            void* argument) = 0;
};

template <class B>
constexpr bool has_bf16() {
  if constexpr (requires { B::kHasBf16; }) return B::kHasBf16;
  return false;
}

/// The C table of backend class B.
template <class B>
const soma_backend& backend_table() {
  struct Table {
    static Backend& from(soma_context* c) { return *reinterpret_cast<Backend*>(c); }
    static const Kernel& from(const soma_kernel* k) { return *reinterpret_cast<const Kernel*>(k); }

    static soma_status open(const soma_backend_options* options, soma_context** context,
                            soma_text* why) {
      return guarded(why, [&] {
        Backend* backend = new B(static_cast<Numerics>(options->numerics));
        *context = reinterpret_cast<soma_context*>(backend);
      });
    }
    static void close(soma_context* context) { delete &from(context); }
    static soma_status supports(soma_context* context, const soma_op* op, soma_text* why) {
      return guarded(why, [&] { from(context).prepare(op_from_abi(*op)); });
    }
    static soma_status prepare(soma_context* context, const soma_op* op, soma_kernel** kernel,
                               soma_kernel_info* info, soma_text* why) {
      return guarded(why, [&] {
        std::unique_ptr<Kernel> made = from(context).prepare(op_from_abi(*op));
        const KernelInfo& from_kernel = made->info();
        info->exactness = static_cast<std::int32_t>(from_kernel.exactness);
        info->packed_inputs = from_kernel.packed_inputs;
        info->workspace_bytes = from_kernel.workspace_bytes;
        info->pack_bytes = from_kernel.pack_bytes;
        info->implementation = from_kernel.implementation.c_str();
        *kernel = reinterpret_cast<soma_kernel*>(made.release());
      });
    }
    static soma_status pack(const soma_kernel* kernel, const soma_exec* exec, void* pack,
                            soma_text* why) {
      return guarded(why, [&] { from(kernel).pack(Exec(*exec), pack); });
    }
    static soma_status execute(const soma_kernel* kernel, const soma_exec* exec, soma_text* why) {
      return guarded(why, [&] { from(kernel).execute(Exec(*exec)); });
    }
    static void release(soma_kernel* kernel) { delete reinterpret_cast<Kernel*>(kernel); }
    static soma_status parallel_for(soma_context* context, std::int32_t threads, std::int64_t n,
                                    std::int64_t grain, soma_range_fn fn, void* argument) {
      return guarded(nullptr, [&] { from(context).parallel_for(threads, n, grain, fn, argument); });
    }
  };
  static const soma_backend table = {sizeof(soma_backend),
                                     SOMA_ABI_MAJOR,
                                     SOMA_ABI_MINOR,
                                     B::kName,
                                     B::kSummary,
                                     B::kRuntime,
                                     B::op_ids().data(),
                                     static_cast<std::int32_t>(B::op_ids().size()),
                                     0,
                                     &Table::open,
                                     &Table::close,
                                     &Table::supports,
                                     &Table::prepare,
                                     &Table::pack,
                                     &Table::execute,
                                     &Table::release,
                                     &Table::parallel_for,
                                     has_bf16<B>() ? 1u << SOMA_NUMERICS_BF16 : 0u,
                                     0};
  return table;
}

}  // namespace soma::sdk

/// Makes this library a plugin with one backend.
#define SOMA_EXPORT_BACKEND(Class) SOMA_EXPORT(::soma::sdk::backend_table<Class>())
