#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "soma/backend.hpp"
#include "soma/conformance/bounds.hpp"
#include "soma/conformance/case.hpp"

namespace soma::conformance {

/// What is asked of a backend for one case. "The limit" is what expect() states; where a kernel
/// claims the class exact, the same check also demands the bits of the float32 reference.
enum class Check {
  bounds,      ///< random data: inside the limit; at most half of the non-structural results are 0
  integers,    ///< whole numbers: equal to the oracle
  nonfinite,   ///< NaN, Inf, signed zeros, subnormals: the same class per element
  huge,        ///< +-FLT_MAX: the same class per element
  threads,     ///< 2, 3, 4 and 8 threads (bounded: the limit; exact: the bits of 1 thread)
  repeat,      ///< a second run with other scratch contents gives the same bits, in either class
  alignment,   ///< tensors aligned to one element only
  in_place,    ///< outputs in the inputs they may replace: the bits of a run with separate buffers
  rows,        ///< an item alone gives what it gives within its batch (bounded: within both limits)
  accumulate,  ///< the finished sum is added to the old value, once
  steps,       ///< twenty steps of an optimizer in a row, each from the state before it
  errors,      ///< a target outside its classes is refused before anything is written
  gradient,    ///< reference only, float64: the backward ops against central differences
  across,      ///< forward on one backend, backward on another, both ways
  claims,    ///< supports, prepare and the list of ids agree; so do a forward and its backward ops
  guards,    ///< memory around the buffers, inputs, every output element, settings of the process
  pages,     ///< nothing is read beyond a buffer either: unreadable pages on both sides
  contexts,  ///< two contexts at once, and one kernel on two threads at once: the same bits
  memory     ///< preparing and executing again and again keeps no memory
};
const char* name_of(Check check) noexcept;

/// Outcome of one check of one case. Data only: fronts decide how to show it.
struct Result {
  std::string op, case_id;
  Check check = Check::bounds;
  bool passed = false;
  double share_of_bound = 0;  ///< worst error as a share of its limit, where one was measured
  std::string message;        ///< why it failed
};

/// One check of one case; what a parametrised test takes.
struct CaseCheck {
  const Case* c = nullptr;
  Check check = Check::bounds;
};
void PrintTo(const CaseCheck& value, std::ostream* out);

/// The checks that apply to a case. Those of the oracle itself (gradient) are included on request;
/// memory, which is slow, is not.
std::vector<Check> checks_for(const Case& c, bool of_oracle);

/// Runs checks of one backend. Work shared by the checks of a case (operands, the oracle's answer,
/// the first run) is kept until another case is asked for. Not thread-safe.
class Examiner {
 public:
  struct Options {
    std::uint64_t seed = 1;
    /// Partners of Check::across besides the reference.
    std::vector<Backend> partners;
    /// Of Check::threads.
    std::vector<int> threads = {2, 3, 4, 8};
  };
  Examiner(Backend examined, Backend reference, Options options);
  ~Examiner();

  /// Never throws for what the backend does: exceptions, also "unsupported", become failures.
  Result examine(const Case& c, Check check);

  /// Empty if the backend takes the op of a case; else why not, as it says itself.
  std::string refusal(const Case& c) const;

  const Backend& backend() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace soma::conformance
