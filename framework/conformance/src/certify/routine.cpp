#include "certify/routine.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <thread>

#include "certify/judging.hpp"
#include "guarded_pages.hpp"
#include "process_state.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/philox.hpp"

namespace soma::conformance {
namespace {

constexpr std::uint32_t kPoison = 0x7FC0DEAD;  // a NaN that no formula makes
constexpr std::size_t kLine = 64;

Array of_type(const TensorInfo& info, DType type) {
  return Array({info.dtype == DType::i32 ? DType::i32 : type, info.shape});
}

std::size_t in_place_input(const Routine& routine, std::size_t output, std::size_t none) {
  for (const auto& [out, in] : routine.terms().in_place) {
    if (out == output) return in;
  }
  return none;
}

bool same_array(const Array& a, const Array& b) {
  return a.bytes.size() == b.bytes.size() &&
         (a.bytes.empty() || std::memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0);
}

/// "output 1 element 7: expected 3, found 4"; nothing if all have the same bits.
std::string difference(const std::vector<Array>& got, const std::vector<Array>& expected) {
  return first_difference(got, expected).value_or("");
}

/// One buffer of a run between two pages that nobody may touch.
class Guarded {
 public:
  Guarded(std::size_t bytes, std::size_t alignment, bool behind)
      : bytes_(bytes), pages_((bytes + alignment - 1) / alignment * alignment) {
    const std::size_t padded = (bytes + alignment - 1) / alignment * alignment;
    data_ = behind ? pages_.end() - padded : pages_.begin();
  }
  std::byte* data() const { return data_; }
  void fill(const Array& from) const {
    if (bytes_ > 0) std::memcpy(data_, from.bytes.data(), bytes_);
  }
  void poison() const {
    for (std::size_t i = 0; i + 4 <= bytes_; i += 4) std::memcpy(data_ + i, &kPoison, 4);
  }
  Array array(const TensorInfo& info) const {
    Array to(info);
    if (bytes_ > 0) std::memcpy(to.bytes.data(), data_, bytes_);
    return to;
  }

 private:
  std::size_t bytes_;
  GuardedPages pages_;
  std::byte* data_;
};

std::string unwritten(const Array& output) {
  const std::size_t words = output.bytes.size() / 4;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word;
    std::memcpy(&word, output.bytes.data() + i * 4, 4);
    if (word == kPoison)
      return "element " + std::to_string(i) +
             " was never written, or is made of what was there before";
  }
  return "";
}

void check_guarded(const Routine& routine, const std::vector<Array>& inputs,
                   const std::vector<Array>& expected, bool behind, Verdict& verdict) {
  const Routine::Terms& terms = routine.terms();
  std::vector<std::unique_ptr<Guarded>> ins, outs, scratch;
  Routine::Buffers buffers;
  for (const Array& input : inputs) {
    ins.push_back(std::make_unique<Guarded>(input.bytes.size(), 4, behind));
    ins.back()->fill(input);
    buffers.inputs.push_back(ins.back()->data());
  }
  for (std::size_t k = 0; k < terms.outputs.size(); ++k) {
    outs.push_back(std::make_unique<Guarded>(expected[k].bytes.size(), 4, behind));
    const std::size_t shared = in_place_input(routine, k, inputs.size());
    if (shared < inputs.size()) {
      outs.back()->fill(inputs[shared]);
      buffers.inputs[shared] = outs.back()->data();
    } else {
      outs.back()->poison();
    }
    buffers.outputs.push_back(outs.back()->data());
  }
  for (const std::size_t bytes : routine.scratch_bytes(DType::f32)) {
    scratch.push_back(std::make_unique<Guarded>(bytes, kLine, behind));
    buffers.scratch.push_back(scratch.back()->data());
  }
  const ProcessState before = ProcessState::read();
  routine.run(DType::f32, buffers, one_piece());
  const std::string changed = before.changed_in(ProcessState::read());

  verdict.checks += 3;
  if (!changed.empty()) verdict.fail("settings", changed);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!same_array(ins[i]->array(inputs[i].info), inputs[i])) {
      verdict.fail("guards", "it changed its input " + std::to_string(i));
    }
  }
  std::vector<Array> got;
  for (std::size_t k = 0; k < outs.size(); ++k) {
    got.push_back(outs[k]->array(expected[k].info));
    const std::string missing = unwritten(got.back());
    if (!missing.empty()) {
      verdict.fail("guards", "output " + std::to_string(k) + ": " + missing);
      return;
    }
  }
  const std::string other = difference(got, expected);
  if (!other.empty()) verdict.fail("guards", "on other memory it gave other bits: " + other);
}

void expect_same(const std::vector<Array>& got, const std::vector<Array>& expected,
                 const std::string& where, Verdict& verdict) {
  ++verdict.checks;
  const std::string found = difference(got, expected);
  if (!found.empty()) verdict.fail("same bits", where + ": " + found);
}

/// The inputs in float64, each element off by a relative error of up to `size`.
std::vector<Array> disturbed(const std::vector<Array>& inputs, double size, std::uint32_t round) {
  const PhiloxStream stream(round, "certify.disturbed");
  std::vector<Array> list;
  std::uint32_t element = 0;
  for (const Array& input : inputs) {
    list.push_back(as_f64(input));
    if (list.back().info.dtype != DType::f64) continue;
    for (double& x : list.back().as<double>()) {
      x *= 1 + size * (2.0 * static_cast<double>(stream.uniform(0, element++)) - 1);
    }
  }
  return list;
}

struct Expectation {
  std::vector<Array> values;                // float64
  std::vector<std::vector<double>> bounds;  // per output
};

Expectation expectation(const Routine& routine, const std::vector<Array>& inputs) {
  constexpr double kSize = 0x1p-20;
  constexpr int kRounds = 12;
  Expectation result;
  std::vector<Array> wide;
  double largest = 0;
  for (const Array& input : inputs) {
    wide.push_back(as_f64(input));
    if (input.info.dtype != DType::f32) continue;
    for (const float x : input.as<float>()) {
      if (std::isfinite(x)) largest = std::max(largest, std::abs(static_cast<double>(x)));
    }
  }
  result.values = outputs_of(routine, DType::f64, wide, one_piece());
  for (const Array& v : result.values) result.bounds.emplace_back(v.elements(), 0.0);
  for (int round = 0; round < kRounds; ++round) {
    const auto moved =
        outputs_of(routine, DType::f64, disturbed(inputs, kSize, static_cast<std::uint32_t>(round)),
                   one_piece());
    for (std::size_t k = 0; k < moved.size(); ++k) {
      if (moved[k].info.dtype != DType::f64) continue;
      for (std::size_t i = 0; i < moved[k].elements(); ++i) {
        const double d = (moved[k].as<double>()[i] - result.values[k].as<double>()[i]) / kSize;
        if (std::isfinite(d)) result.bounds[k][i] += 3 * d * d / kRounds;  // E[uniform^2] = 1/3
      }
    }
  }
  for (std::size_t k = 0; k < result.values.size(); ++k) {
    if (result.values[k].info.dtype != DType::f64) continue;
    for (std::size_t i = 0; i < result.bounds[k].size(); ++i) {
      const double value = result.values[k].as<double>()[i];
      double& bound = result.bounds[k][i];
      bound = routine.terms().factor * kUnit *
                  ((std::isfinite(value) ? std::abs(value) : 0) + std::sqrt(bound)) +
              routine.terms().floor * kUnit * largest + 16 * kSubnormalUnit;
    }
  }
  return result;
}

}  // namespace

Loop one_piece() {
  return [](std::int64_t n, std::int64_t, soma_range_fn fn, void* argument) { fn(argument, 0, n); };
}

std::vector<Array> outputs_of(const Routine& routine, DType type, const std::vector<Array>& inputs,
                              const Loop& loop, unsigned char scratch) {
  Routine::Buffers buffers;
  for (const Array& input : inputs) buffers.inputs.push_back(input.bytes.data());
  std::vector<Array> outputs;
  for (const TensorInfo& info : routine.terms().outputs) outputs.push_back(of_type(info, type));
  for (const auto& [output, input] : routine.terms().in_place) outputs[output] = inputs[input];
  for (Array& output : outputs) buffers.outputs.push_back(output.bytes.data());
  for (const auto& [output, input] : routine.terms().in_place) {
    buffers.inputs[input] = outputs[output].bytes.data();
  }
  std::vector<std::vector<std::byte>> memory;
  for (const std::size_t bytes : routine.scratch_bytes(type)) {
    memory.emplace_back(bytes + kLine, std::byte{scratch});
    const auto address = reinterpret_cast<std::uintptr_t>(memory.back().data());
    buffers.scratch.push_back(memory.back().data() + (kLine - address % kLine) % kLine);
  }
  routine.run(type, buffers, loop);
  return outputs;
}

std::vector<Array> in_type(DType type, const std::vector<Array>& arrays) {
  std::vector<Array> list;
  for (const Array& a : arrays) list.push_back(type == DType::f64 ? as_f64(a) : as_f32(a));
  return list;
}

double number_at(const Array& array, std::size_t i) {
  if (array.info.dtype == DType::f64) return array.as<double>()[i];
  return static_cast<double>(array.as<float>()[i]);
}

void add_to(Array& array, std::size_t i, double offset) {
  if (array.info.dtype == DType::f64) {
    array.as<double>()[i] += offset;
  } else {
    array.as<float>()[i] += static_cast<float>(offset);
  }
}

Array drawn(const TensorInfo& info, double most, std::uint64_t seed, const std::string& stream) {
  Array to(info);
  const PhiloxStream numbers(seed, stream);
  std::uint32_t i = 0;
  for (float& x : to.as<float>()) {
    x = static_cast<float>(most * (2.0 * static_cast<double>(numbers.uniform(0, i++)) - 1));
  }
  return to;
}

void check_memory(const Routine& routine, std::uint64_t seed, Verdict& verdict) {
  const std::vector<Array> inputs = routine.make_inputs(seed);
  const std::vector<Array> expected = outputs_of(routine, DType::f32, inputs, one_piece(), 0);
  for (const bool behind : {true, false}) {
    check_guarded(routine, inputs, expected, behind, verdict);
  }
}

void check_values(const Routine& routine, const std::vector<Array>& inputs, Verdict& verdict) {
  if (!routine.terms().float64) {
    verdict.refused = "it brings no float64 evaluation to compare with";
    return;
  }
  const Expectation expected = expectation(routine, inputs);
  const std::vector<Array> got = outputs_of(routine, DType::f32, inputs, one_piece());
  for (std::size_t k = 0; k < got.size(); ++k) {
    if (got[k].info.dtype != DType::f32) continue;
    ++verdict.checks;
    for (std::size_t i = 0; i < got[k].elements(); ++i) {
      const float found = got[k].as<float>()[i];
      const double value = expected.values[k].as<double>()[i], bound = expected.bounds[k][i];
      const Comparison c = compare(found, value, bound);
      verdict.worst_share = std::max(verdict.worst_share, c.share);
      if (c.right) continue;
      verdict.fail("float64", "output " + std::to_string(k) + " element " + std::to_string(i) +
                                  ": expected " + number(value) + " within " + number(bound) +
                                  ", found " + number(found));
      return;
    }
  }
}

void check_pieces(const Routine& routine, std::uint64_t seed, Verdict& verdict) {
  const std::vector<Array> inputs = routine.make_inputs(seed);
  const std::vector<Array> whole = outputs_of(routine, DType::f32, inputs, one_piece());
  expect_same(outputs_of(routine, DType::f32, inputs, one_piece(), 0), whole,
              "again, with other scratch contents", verdict);
  for (const std::int64_t piece : {1, 2, 3, 7, 8, 9, 16, 17, 33, 1000}) {
    const Loop cut = [piece](std::int64_t n, std::int64_t, soma_range_fn fn, void* argument) {
      for (std::int64_t end = n; end > 0; end -= std::min(end, piece)) {
        fn(argument, std::max<std::int64_t>(0, end - piece), end);
      }
    };
    expect_same(outputs_of(routine, DType::f32, inputs, cut), whole,
                "in pieces of " + std::to_string(piece) + ", the last one first", verdict);
  }
}

void check_two_at_once(const Routine& routine, std::uint64_t seed, Verdict& verdict) {
  const std::vector<Array> inputs = routine.make_inputs(seed),
                           others = routine.make_inputs(seed + 1);
  const auto expected = outputs_of(routine, DType::f32, inputs, one_piece());
  const auto expected_there = outputs_of(routine, DType::f32, others, one_piece());
  for (int round = 0; round < 4; ++round) {
    std::vector<Array> there;
    std::thread thread([&] { there = outputs_of(routine, DType::f32, others, one_piece()); });
    const std::vector<Array> here = outputs_of(routine, DType::f32, inputs, one_piece());
    thread.join();
    expect_same(here, expected, "beside another run", verdict);
    expect_same(there, expected_there, "beside another run", verdict);
  }
}

void check_loops(const Routine& routine, const Backend& backend, const std::vector<int>& threads,
                 std::uint64_t seed, Verdict& verdict) {
  const std::vector<Array> inputs = routine.make_inputs(seed);
  const std::vector<Array> whole = outputs_of(routine, DType::f32, inputs, one_piece());
  for (const int count : threads) {
    // Pieces far smaller than a plugin asks for: small sizes must be cut, too.
    const Loop loop = [&](std::int64_t n, std::int64_t grain, soma_range_fn fn, void* argument) {
      backend.parallel_for(count, n, std::min<std::int64_t>(grain, 4), fn, argument);
    };
    expect_same(outputs_of(routine, DType::f32, inputs, loop), whole,
                "under " + backend.name() + " on " + std::to_string(count) + " threads", verdict);
  }
}

}  // namespace soma::conformance
