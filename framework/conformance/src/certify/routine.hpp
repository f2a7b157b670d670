#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "soma/abi.h"
#include "soma/conformance/certify.hpp"
#include "soma/conformance/data.hpp"

namespace soma::conformance {

/// Runs fn over [0, n) in pieces: a backend's parallel_for, or something that is harder to please.
using Loop =
    std::function<void(std::int64_t n, std::int64_t grain, soma_range_fn fn, void* argument)>;

/// A function of a plugin's table at one size, as certification sees it: arrays in, arrays out.
class Routine {
 public:
  struct Buffers {
    std::vector<const void*> inputs;
    std::vector<void*> outputs, scratch;
  };
  /// How its operands are made and its results judged.
  struct Terms {
    std::vector<TensorInfo> inputs, outputs;  ///< as in float32
    /// {output, input} in one buffer: the function updates it.
    std::vector<std::pair<std::size_t, std::size_t>> in_place;
    /// How many u of what it answers to inputs that are off by 1 a result may be off.
    double factor = 16;
    /// A share of u times the largest input that any result may be off: what terms that cancel
    /// inside the formula come to.
    double floor = 4;
    bool float64 = true;  ///< it has an evaluation in float64
  };

  explicit Routine(Terms terms) : terms_(std::move(terms)) {}
  virtual ~Routine() = default;
  Routine(const Routine&) = delete;
  Routine& operator=(const Routine&) = delete;

  const Terms& terms() const noexcept { return terms_; }
  /// Inputs that make sense to it, in float32.
  virtual std::vector<Array> make_inputs(std::uint64_t seed) const = 0;
  /// Bytes of its buffers that are neither inputs nor outputs. Aligned to 64.
  virtual std::vector<std::size_t> scratch_bytes(DType) const { return {}; }
  /// `type`: of all numbers, f32 or f64; integers stay what they are.
  virtual void run(DType type, const Buffers& buffers, const Loop& loop) const = 0;

 private:
  Terms terms_;
};

/// The whole range in one piece.
Loop one_piece();
/// On plain memory, in the type of the inputs; scratch holds `scratch` in every byte.
std::vector<Array> outputs_of(const Routine& routine, DType type, const std::vector<Array>& inputs,
                              const Loop& loop, unsigned char scratch = 0xFF);

/// The type in which its derivative is best measured.
inline DType measured_in(const Routine& routine) {
  return routine.terms().float64 ? DType::f64 : DType::f32;
}
/// The numbers of all arrays in that type.
std::vector<Array> in_type(DType type, const std::vector<Array>& arrays);
/// Element i of numbers of either type.
double number_at(const Array& array, std::size_t i);
void add_to(Array& array, std::size_t i, double offset);

/// Numbers in [-most, most), from the stream of that name.
Array drawn(const TensorInfo& info, double most, std::uint64_t seed, const std::string& stream);

// The questions that every routine is asked. Each notes its checks and failures.

/// C2: every buffer between unreadable pages; inputs unchanged, outputs written, settings kept.
void check_memory(const Routine& routine, std::uint64_t seed, Verdict& verdict);
/// C3, C4: float32 against its own float64 evaluation, element by element. What an element may be
/// off follows from how float64 answers to inputs that are a little off: `factor` u of that.
void check_values(const Routine& routine, const std::vector<Array>& inputs, Verdict& verdict);
/// C5: ranges cut into pieces of many lengths, backwards, and run again with other scratch.
void check_pieces(const Routine& routine, std::uint64_t seed, Verdict& verdict);
/// C5: two runs at once, each on buffers of its own.
void check_two_at_once(const Routine& routine, std::uint64_t seed, Verdict& verdict);
/// C5: under the loops of a backend.
void check_loops(const Routine& routine, const Backend& backend, const std::vector<int>& threads,
                 std::uint64_t seed, Verdict& verdict);

}  // namespace soma::conformance
