#pragma once

#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <span>
#include <string_view>
#include <vector>

#include "soma/sdk/backend.hpp"

/// Bugs to order: what the certifier is tested with. One table says of each bug what it is called,
/// where it shows and which level of `soma certify` must catch it; SOMA_MUTANT=NAME plants it in
/// the libraries of this folder, which are right otherwise.
namespace mutants {

using soma::Op;
using Floats = std::vector<float>;

/// One execution that is to go wrong.
class Call {
 public:
  /// An input that takes the place of the one that was given.
  struct Instead {
    int input;
    const void* data;
  };

  Call(const Op& op, const soma::sdk::Exec& exec, const soma::sdk::Kernel& right)
      : op(op), exec(exec), right_(right) {}

  /// Computes what is right into the outputs, perhaps of other inputs.
  void right(std::initializer_list<Instead> instead = {}) const;

  /// What right() needs of the workspace.
  static std::size_t right_workspace_bytes(const soma::sdk::Kernel& right);

  template <class T = float>
  const T* in(int i = 0) const {
    return exec.input<T>(i);
  }
  template <class T = float>
  T* out(int i = 0) const {
    return exec.output<T>(i);
  }
  std::int64_t in_size(int i = 0) const { return op.in(static_cast<std::size_t>(i)).elements(); }
  std::int64_t out_size(int i = 0) const { return op.out(static_cast<std::size_t>(i)).elements(); }
  /// Copies, to be changed or to be remembered.
  Floats input(int i = 0) const { return {in(i), in(i) + in_size(i)}; }
  Floats output(int i = 0) const { return {out(i), out(i) + out_size(i)}; }
  std::span<float> outputs(int i = 0) const {
    return {out(i), static_cast<std::size_t>(out_size(i))};
  }
  /// 64 bytes of the workspace that are this kernel's own, its last.
  std::byte* scratch() const { return exec.workspace<std::byte>() + right_workspace_bytes(right_); }

  const Op& op;
  const soma::sdk::Exec& exec;

 private:
  const soma::sdk::Kernel& right_;
};

/// What brings the bug.
enum class Subject {
  backend,     ///< one library over the canonical kernels
  activation,  ///< each of these a small plugin, right but for its bug
  layer,
  loss,
  optimizer,
  file  ///< a damaged copy of the backend's file
};

struct Mutant {
  const char* name;
  const char* fault_class;  ///< at most six of each
  const char* op;           ///< what the certifier must name: an op id, "plugin", "backend", ...
  const char* where;        ///< under which condition it shows, for people
  const char* level;        ///< the lowest that fails: "C3"
  bool (*at)(const Op&) = nullptr;          ///< ops on which it shows; null: all of that id
  Op (*as)(const Op&) = nullptr;            ///< it computes this op instead
  void (*run)(const Call& call) = nullptr;  ///< it does this instead
  const char* numerics = "fast";  ///< these and "bf16": claims the class bounded; "exact": exact
  bool on_empty = false;          ///< it shows on ops without elements too
  const char* within = nullptr;   ///< of those that a network meets: the op that is wrong
  Subject subject = Subject::backend;
};

inline void PrintTo(const Mutant& m, std::ostream* out) { *out << m.name; }

/// All of them, class by class.
const std::vector<Mutant>& all();
/// The one that SOMA_MUTANT names; null if it is not set, or names none.
const Mutant* planted();
/// True if SOMA_MUTANT is `name`.
bool is_planted(std::string_view name);

// The parts of the table, in the files of these names.
std::span<const Mutant> contraction_mutants();
std::span<const Mutant> window_mutants();
std::span<const Mutant> normalization_mutants();
std::span<const Mutant> function_mutants();
std::span<const Mutant> loss_mutants();
std::span<const Mutant> sequence_mutants();
std::span<const Mutant> structure_mutants();
std::span<const Mutant> optimizer_mutants();
std::span<const Mutant> contract_mutants();
std::span<const Mutant> determinism_mutants();
std::span<const Mutant> lifecycle_mutants();
std::span<const Mutant> kind_mutants();

/// `op` with an attribute set, or replaced.
Op with(const Op& op, std::string_view key, soma::Attributes::Value value);
/// `op` with two whole attributes exchanged; `fallback` is the default of both.
Op exchanged(const Op& op, std::string_view a, std::string_view b, std::int64_t fallback);
/// `op` without an attribute.
Op without(const Op& op, std::string_view key);
/// A float32 cut to the 8 bits of a bfloat16, rounded to nearest.
float as_bfloat16(float x);

}  // namespace mutants
