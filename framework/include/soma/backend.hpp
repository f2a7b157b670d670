#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "soma/api.hpp"
#include "soma/error.hpp"
#include "soma/sdk/op.hpp"

namespace soma {

/// fast: what the backend does best, inside the stated bounds. exact: the canonical bits. bf16: the
/// operands of linear, matmul and conv2d may be rounded to bfloat16, the rest as under fast;
/// refused by backends and CPUs that cannot. See numerics.md.
enum class Numerics : std::int32_t {
  fast = SOMA_NUMERICS_FAST,
  exact = SOMA_NUMERICS_EXACT,
  bf16 = SOMA_NUMERICS_BF16
};
/// "fast", "exact", "bf16".
SOMA_API const char* name_of(Numerics numerics) noexcept;

struct BackendOptions {
  Numerics numerics = Numerics::fast;
  /// Another backend, by name, for ops that this one does not support; "" stops with an error that
  /// lists them. Where this one computes under bf16 numerics, the other does under fast.
  std::string fallback = {};
};

/// What another backend computed because the one that was asked for could not.
struct FallbackReport {
  std::string backend;
  std::vector<std::string> ops;  ///< ids, each once
  double share = 0;              ///< of the time in kernels so far
};

enum class Exactness : std::int32_t { exact = SOMA_EXACT, bounded = SOMA_BOUNDED };

/// One op prepared by a backend. Immutable and shared: copies are cheap, execute may run on several
/// threads at once with distinct buffers. Keeps its backend open.
class SOMA_API Kernel {
 public:
  struct Info {
    Exactness exactness = Exactness::exact;
    std::uint32_t packed_inputs = 0;  ///< bit i: the pack depends on input i
    std::size_t workspace_bytes = 0;
    std::size_t pack_bytes = 0;
    std::string implementation;
  };
  /// Pointers in the order of the op; workspace and pack of the sizes in info(), 64-byte aligned.
  struct Buffers {
    const void* const* inputs = nullptr;
    void* const* outputs = nullptr;
    void* workspace = nullptr;
    const void* pack = nullptr;
  };

  Kernel() = default;
  const Op& op() const;
  const Info& info() const;
  /// Both throw PluginError (or ShapeError, UnsupportedError as the backend says) naming backend,
  /// op and shapes. Neither allocates on success.
  void pack(const Buffers& buffers, void* pack, int threads) const;
  void execute(const Buffers& buffers, int threads) const;
  explicit operator bool() const noexcept { return state_ != nullptr; }

  struct State;
  explicit Kernel(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

/// An opened compute backend. Copies share it. Thread-safe.
class SOMA_API Backend {
 public:
  Backend() = default;
  const std::string& name() const;
  const std::string& summary() const;
  const std::string& runtime() const;  ///< "serial", "openmp", "tbb", ...
  Numerics numerics() const;
  const std::filesystem::path& path() const;  ///< of the plugin
  std::vector<std::string> op_ids() const;

  /// True if prepare would succeed; otherwise the reason goes to *why (may be null).
  bool supports(const Op& op, std::string* why = nullptr) const;
  /// Throws UnsupportedError with backend, op and reason.
  Kernel prepare(const Op& op) const;
  /// What fell back so far; empty without a fallback.
  FallbackReport fallback() const;
  /// Runs fn(begin, end) over disjoint ranges covering [0, n), on up to `threads` threads, pieces
  /// of at least `grain`.
  void parallel_for(int threads, std::int64_t n, std::int64_t grain,
                    const std::function<void(std::int64_t, std::int64_t)>& fn) const;
  /// The same without a std::function: what Programs use.
  void parallel_for(int threads, std::int64_t n, std::int64_t grain, soma_range_fn fn,
                    void* argument) const;
  explicit operator bool() const noexcept { return state_ != nullptr; }

  struct State;
  explicit Backend(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

/// Opens the backend of that name; "auto" takes the first that is ready of onednn, tbb, reference
/// (fastest_backend.hpp measures). Loads the file libsoma_NAME.so when the search path has one, and
/// looks into the other plugins only when it has none. Throws PluginError that says what was found
/// instead and where it looked; never takes another one silently.
SOMA_API Backend backend(std::string_view name, const BackendOptions& options = {});

/// Names of the backends that are ready, in the order of the search path.
SOMA_API std::vector<std::string> backend_names();

}  // namespace soma
