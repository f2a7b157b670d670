// Arrangement, arithmetic, reductions, look-ups and dropout.
#include <algorithm>
#include <cmath>

#include "mutant.hpp"
#include "soma/sdk/ops/dropout.hpp"

namespace mutants {
namespace {

void subtract_reversed(const Call& call) {
  const Floats a = call.input(), b = call.input(1);
  for (std::size_t i = 0; i < a.size(); ++i) call.out()[i] = b[i] - a[i];
}

/// Of three axes: the inverse of the permutation, written into the same memory.
void permute_back(const Call& call) {
  const std::string order = call.op.attributes.text("order", "");
  const auto& x = call.op.in(0);
  int inverse[3] = {};
  for (int i = 0; i < 3; ++i) inverse[order[static_cast<std::size_t>(2 * i)] - '0'] = i;
  const std::int64_t stride[3] = {x[1] * x[2], x[2], 1};
  std::int64_t at = 0;
  for (std::int64_t i = 0; i < x[inverse[0]]; ++i) {
    for (std::int64_t j = 0; j < x[inverse[1]]; ++j) {
      for (std::int64_t k = 0; k < x[inverse[2]]; ++k) {
        call.out()[at++] =
            call.in()[i * stride[inverse[0]] + j * stride[inverse[1]] + k * stride[inverse[2]]];
      }
    }
  }
}

void last_of_equal(const Call& call) {
  call.right();
  const auto axis = static_cast<int>(call.op.attributes.integer("axis", 0));
  const std::int64_t inner = call.op.in(0).elements_from(axis + 1), extent = call.op.in(0)[axis];
  for (std::int64_t e = 0; e < call.out_size(); ++e) {
    for (std::int64_t r = 0; r < extent; ++r) {
      const float x = call.in()[(e / inner * extent + r) * inner + e % inner];
      if (x == call.out()[e]) call.out<std::int32_t>(1)[e] = static_cast<std::int32_t>(r);
    }
  }
}

void sum_one_by_one(const Call& call) {
  float sum = 0;
  for (std::int64_t i = 0; i < call.in_size(); ++i) sum += call.in()[i];
  call.out()[0] = sum;
}

/// The last gradient of each row wins.
void assign_duplicates(const Call& call) {
  const std::int64_t width = call.op.out(0)[1];
  const std::int64_t padding = call.op.attributes.integer("padding_idx", -1);
  call.right();  // refuses what it must
  std::ranges::fill(call.outputs(), 0.0f);
  for (std::int64_t s = 0; s < call.in_size(1); ++s) {
    const std::int32_t row = call.in<std::int32_t>(1)[s];
    if (row != padding) std::copy_n(call.in() + s * width, width, call.out() + row * width);
  }
}

void last_repeat_lost(const Call& call) {
  Floats grad = call.input();
  std::fill(grad.end() - call.op.in(0).back(), grad.end(), 0.0f);
  call.right({{0, grad.data()}});
}

void gradient_shifted(const Call& call) {
  call.right();
  std::rotate(call.out(), call.out() + 1, call.out() + call.out_size());
}

void unscale(const Call& call) {
  call.right();
  const auto factor = static_cast<float>(soma::ops::Dropout::from(call.op.attributes).factor());
  for (float& x : call.outputs()) x /= factor;
}

/// rate = 1: the factor is 1 / 0.
void scale_by_infinity(const Call& call) {
  call.right();
  volatile float zero = 0;
  for (float& x : call.outputs()) x *= 1 / zero;
}

/// The bits of the step and of the key change places.
void another_counter(const Call& call) {
  std::int32_t random[4];
  std::copy_n(call.in<std::int32_t>(1), 4, random);
  std::swap(random[0], random[1]);
  call.right({{1, random}});
}

void pad_value_lost_in_front(const Call& call) {
  call.right();
  call.out()[0] = 0;
}

const Mutant kMutants[] = {
    {.name = "subtract_reversed",
     .fault_class = "wrong operand",
     .op = "subtract/1.fwd",
     .where = "a scalar",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0).rank() == 0; },
     .run = subtract_reversed},
    {.name = "permute_inverse",
     .fault_class = "wrong operand",
     .op = "permute/1.fwd",
     .where = "three axes, by the inverse permutation",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0).rank() == 3; },
     .run = permute_back},
    {.name = "max_last_of_equal",
     .fault_class = "wrong route of a gradient",
     .op = "max/1.fwd",
     .where = "equal elements along the axis",
     .level = "C3",
     .at = [](const Op& op) { return op.outputs.size() > 1; },
     .run = last_of_equal},
    {.name = "sum_one_by_one",
     .fault_class = "order of sums",
     .op = "sum/1.fwd",
     .where = "100,000 elements in a row",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0).elements() == 100000; },
     .run = sum_one_by_one,
     .numerics = "exact"},
    {.name = "embedding_duplicates_assigned",
     .fault_class = "accumulation",
     .op = "embedding/1.bwd",
     .where = "ids that occur more than once",
     .level = "C4",
     .run = assign_duplicates},
    {.name = "embedding_padding_learns",
     .fault_class = "wrong route of a gradient",
     .op = "embedding/1.bwd",
     .where = "padding_idx = 0",
     .level = "C4",
     .at = [](const Op& op) { return op.attributes.integer("padding_idx", -1) == 0; },
     .as = [](const Op& op) { return without(op, "padding_idx"); }},
    {.name = "slice_gradient_shifted",
     .fault_class = "wrong route of a gradient",
     .op = "slice/1.bwd",
     .where = "one column of 8",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0).back() == 1 && op.out(0).rank() == 2; },
     .run = gradient_shifted},
    {.name = "broadcast_last_row_lost",
     .fault_class = "accumulation",
     .op = "broadcast_add/1.bwd",
     .where = "513 rows",
     .level = "C4",
     .at = [](const Op& op) { return op.in(0)[0] == 513; },
     .run = last_repeat_lost},
    {.name = "pad_value_in_front",
     .fault_class = "tail of a vector",
     .op = "pad/1.fwd",
     .where = "the first padded element is 0, whatever the value",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.real("value", 0) == 1.5; },
     .run = pad_value_lost_in_front},

    {.name = "dropout_unscaled",
     .fault_class = "wrong factor",
     .op = "dropout/1.fwd",
     .where = "rate 0.9: 1 / (1 - rate) is left out",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.real("rate", 0) == 0.9; },
     .run = unscale},
    {.name = "dropout_of_everything",
     .fault_class = "wrong factor",
     .op = "dropout/1.fwd",
     .where = "rate 1: 0 times infinity",
     .level = "C3",
     .at = [](const Op& op) { return op.attributes.real("rate", 0) == 1; },
     .run = scale_by_infinity},
    {.name = "dropout_key_swapped",
     .fault_class = "wrong mask",
     .op = "dropout/1.fwd",
     .where = "the halves of the seed change places",
     .level = "C3",
     .run = another_counter},
    {.name = "dropout_stream_halved",
     .fault_class = "wrong mask",
     .op = "dropout/1.bwd",
     .where = "the upper half of the stream is not looked at",
     .level = "C4",
     .as = [](const Op& op) { return without(op, "stream_high"); }},
};

}  // namespace

std::span<const Mutant> structure_mutants() { return kMutants; }

}  // namespace mutants
