#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "soma/backend.hpp"
#include "soma/conformance/data.hpp"

namespace soma::conformance {

/// What surrounds the buffers of a run.
enum class Guard {
  words,        ///< 1024 patterned bytes on both sides, looked at after the run
  page_behind,  ///< an unreadable page right behind the last byte: reading there ends the process
  page_before   ///< an unreadable page right before the first byte
};

/// How a kernel is run.
struct RunOptions {
  int threads = 1;
  /// Tensors start one element behind a 64-byte boundary; empty ones are passed as NULL.
  bool offset = false;
  /// {output, input} pairs that share one buffer.
  std::vector<std::pair<int, int>> in_place = {};
  std::uint8_t scratch = 0xFF;  ///< every byte of the workspace before the run
  Guard guard = Guard::words;
};

/// What a run left behind.
struct Run {
  std::vector<Array> outputs;
  /// Broken rules of memory, one sentence each: guard bytes written, an input changed, an output
  /// element never written. Empty when all is well.
  std::vector<std::string> violations;
};

/// Runs `kernel` once on copies of the operands. Every buffer (inputs, outputs, workspace, pack)
/// lies between two guards; outputs that are not accumulated into start as
/// a NaN that no operand holds; kernels that pack are packed first. Throws what the kernel throws.
Run run(const Kernel& kernel, const Operands& operands, const RunOptions& options = {});

/// Runs a kernel that has to refuse these operands. Empty if it throws a soma::Error and leaves its
/// outputs untouched; else what it did instead.
std::string refusal_fault(const Kernel& kernel, const Operands& operands);

/// The float64 oracle and the float32 reference: a backend (normally `reference`) that computes the
/// same op on either element type.
class Oracle {
 public:
  explicit Oracle(Backend reference) : reference_(std::move(reference)) {}

  /// `op` on the operands converted to float64; outputs are float64 (and int32).
  std::vector<Array> evaluate(const Op& op, const Operands& operands) const;
  /// `op` as it is, in float32.
  std::vector<Array> reference(const Op& op, const Operands& operands) const;
  const Backend& backend() const noexcept { return reference_; }

 private:
  Backend reference_;
};

}  // namespace soma::conformance
