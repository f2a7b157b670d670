#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soma/backend.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/op.hpp"

namespace soma::conformance {

/// What certification asks, from the file to the clock. framework/docs/certify.md says what each
/// level proves.
enum class Level {
  file,         ///< C0 read, nothing of it executed
  lifecycle,    ///< C1 entered, opened, closed, left open at exit
  contract,     ///< C2 memory, claims, settings
  forward,      ///< C3
  backward,     ///< C4 gradients and updates
  determinism,  ///< C5 runs, threads, batches, contexts
  training,     ///< C6 whole networks over many steps
  speed         ///< C7 a report, never a failure
};
inline constexpr std::array kLevels = {Level::file,     Level::lifecycle, Level::contract,
                                       Level::forward,  Level::backward,  Level::determinism,
                                       Level::training, Level::speed};
const char* code_of(Level level) noexcept;   // "C3"
const char* title_of(Level level) noexcept;  // "forward"
/// "C3"; nothing for another text.
std::optional<Level> level_of(std::string_view code) noexcept;

struct CertifyOptions {
  Numerics numerics = Numerics::fast;
  std::uint64_t seed = 1;
  std::vector<int> threads = {1, 2, 3, 4, 8, 16};  ///< at which C5 wants the same results
  bool full = false;  ///< every fill under several seeds, sweeps over all float32 inputs, long runs
  /// Of layers, losses and optimizers: fields or options that differ from what they start from.
  Attributes fields = {};
  std::vector<TensorInfo> inputs = {};  ///< of layers: samples, without the batch; empty: several
};

/// What is certified: one of the things that a plugin file brings.
struct Subject {
  std::filesystem::path file;
  std::string kind, name;  ///< as in soma::Brought
};

/// What can be asked again alone: `soma certify FILE --level C3 --case NAME`.
struct Item {
  Level level = Level::file;
  std::string op;    ///< an op id; for the rest "plugin", "backend", "training", ...
  std::string name;  ///< "linear/fwd_k_513", unique within the level
};

/// A check that failed: one sentence that says where, what was expected and what was found.
struct Failure {
  std::string check, message;
};

/// What was found about an item.
struct Verdict {
  int checks = 0;
  double worst_share = 0;  ///< worst error as a share of its bound, where one was measured
  std::vector<Failure> failures;
  std::string refused;  ///< the subject declines the case, with this reason; nothing was checked

  void fail(std::string check, std::string message) {
    failures.push_back({std::move(check), std::move(message)});
  }
};

/// Told the name of a check before it runs, so that a crash can be put down to it.
using Notice = std::function<void(std::string_view check)>;

/// Answers the items of one subject within this process, which runs the subject's code. The file
/// has been loaded (soma::load_plugin). Not thread-safe.
class Examination {
 public:
  virtual ~Examination() = default;
  /// In the order in which they are best asked; the same for the same options.
  virtual std::vector<Item> items() const = 0;
  /// Does not throw for what the subject does.
  virtual Verdict examine(const Item& item, const Notice& notice) = 0;
  /// Ops of the catalogue that the subject does not claim, if it has ops at all.
  virtual std::vector<std::string> unclaimed() const { return {}; }
};

/// The examination of a subject of a known kind; null for another. A kind is one file in
/// src/certify that lists its checks, and a row of the table in kinds.cpp.
std::unique_ptr<Examination> examination_of(const Subject& subject, const CertifyOptions& options);

/// The first of the given fields that none of what a plugin brings has; "" if there is none.
std::string unknown_field(const std::vector<Brought>& brings, const Attributes& given);

/// What every plugin file is asked whatever it brings: C1, by its entry point. The file need not
/// have been loaded.
std::unique_ptr<Examination> examination_of_entry(const std::filesystem::path& file);

/// C0: reads the file, executes nothing.
Verdict examine_file(const std::filesystem::path& file);

}  // namespace soma::conformance
