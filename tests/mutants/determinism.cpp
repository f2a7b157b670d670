// Results that depend on chance: on threads, on the batch, on what ran before or runs beside; and
// faults that only a whole network meets.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "mutant.hpp"

namespace mutants {
namespace {

/// The sum of x[0..n) in `pieces` pieces, first piece first or last piece first.
float sum_in_pieces(const float* x, std::int64_t n, std::int64_t pieces, bool backwards) {
  float total = 0;
  for (std::int64_t p = 0; p < pieces; ++p) {
    const std::int64_t piece = backwards ? pieces - 1 - p : p;
    float sum = 0;
    for (std::int64_t i = n * piece / pieces; i < n * (piece + 1) / pieces; ++i) sum += x[i];
    total += sum;
  }
  return total;
}

/// As partial sums of threads come in: in another order every time.
void sum_as_they_come(const Call& call) {
  static std::atomic<int> runs;
  call.right();
  if (call.exec.threads() == 1) return;
  call.out()[0] = sum_in_pieces(call.in(), call.in_size(), 16, runs++ % 2 == 0);
}

void sum_by_thread(const Call& call) {
  call.right();
  if (call.exec.threads() == 1) return;
  const auto n = static_cast<float>(call.in_size());
  call.out()[0] = sum_in_pieces(call.in(), call.in_size(), call.exec.threads(), false) / n;
}

/// Two threads add to one number.
void race(const Call& call) {
  // Left to two threads, which the levels below C5 use as well, the loss would show there at times.
  if (call.exec.threads() < 3 || call.in_size() < 1000) return call.right();
  volatile float total = 0;
  const float* x = call.in();
  const auto add = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float before = total;
      if (i % 64 == 0) usleep(1);  // what the other thread adds meanwhile is lost
      total = before + x[i] * x[i];
    }
  };
  const std::int64_t middle = call.in_size() / 2;
  std::thread other([&] { add(0, middle); });
  add(middle, call.in_size());
  other.join();
  call.out()[0] = call.in(1)[0] + total;
}

/// The input passes through a buffer that all kernels share.
void shared_scratch(const Call& call) {
  static Floats scratch(1 << 20);
  if (call.in_size() > static_cast<std::int64_t>(scratch.size())) return call.right();
  std::copy_n(call.in(), call.in_size(), scratch.data());
  usleep(200);
  call.right({{0, scratch.data()}});
}

/// Starts its sums with what the workspace happens to hold, if that is a number.
void reads_scratch(const Call& call) {
  float start = 0;
  std::copy_n(call.scratch(), sizeof start, reinterpret_cast<std::byte*>(&start));
  call.right();
  if (!std::isnan(start)) call.out()[0] = std::nextafter(call.out()[0], 1e30f);
}

/// From its 13th execution on a kernel uses a table that was rounded.
void ages(const Call& call) {
  static std::atomic<int> runs;
  call.right();
  if (++runs > 12) call.out()[0] = std::nextafter(call.out()[0], 1e30f);
}

void one_ulp_more(const Call& call) {
  call.right();
  for (float& x : call.outputs()) x = std::nextafter(x, 1e30f);
}

/// Each thread draws the mask of its piece from the start.
void mask_per_piece(const Call& call) {
  if (call.exec.threads() == 1) return call.right();
  const Floats x = call.input(), ones(x.size(), 1.0f);
  call.right({{0, ones.data()}});
  const std::size_t piece = (x.size() + 1) / 2;
  for (std::size_t i = x.size(); i-- > 0;) {
    const float factor = call.out()[i < piece ? i : i - piece];
    call.out()[i] = factor == 0 ? 0.0f : x[i] * factor;
  }
}

bool is_alone(const Op& op) { return op.in(0)[0] == 1; }

/// A sample of another size than 17: the batch is processed in blocks of 16 rows, and what is left
/// over of the last gets the row before.
void row_17(const Call& call) {
  call.right();
  const std::int64_t width = call.op.out(0).back();
  if (call.op.out(0)[0] < 18) return;
  std::copy_n(call.out() + 15 * width, width, call.out() + 16 * width);
}

const Mutant kMutants[] = {
    {.name = "sum_as_they_come",
     .fault_class = "depends on threads",
     .op = "sum/1.fwd",
     .where = "partial sums in the order of arrival, claimed exact",
     .level = "C5",
     .at = [](const Op& op) { return op.in(0).elements() == 100000; },
     .run = sum_as_they_come,
     .numerics = "exact"},
    {.name = "mean_by_thread",
     .fault_class = "depends on threads",
     .op = "mean/1.fwd",
     .where = "one partial sum for each thread, claimed exact",
     .level = "C5",
     .at = [](const Op& op) { return op.in(0).elements() == 100000; },
     .run = sum_by_thread,
     .numerics = "exact"},
    {.name = "race_on_a_sum",
     .fault_class = "depends on threads",
     .op = "squared_norm/1.fwd",
     .where = "two threads add to one number",
     .level = "C5",
     .run = race},
    {.name = "dropout_mask_per_piece",
     .fault_class = "depends on threads",
     .op = "dropout/1.fwd",
     .where = "each thread draws its mask from the start",
     .level = "C5",
     .run = mask_per_piece},

    {.name = "gemv_for_one_row",
     .fault_class = "depends on the batch",
     .op = "linear/1.fwd",
     .where = "M = 1: other bits, claimed exact",
     .level = "C5",
     .at = [](const Op& op) { return is_alone(op) && op.in(0)[1] == 513; },
     .run = one_ulp_more,
     .numerics = "exact"},
    {.name = "one_image_other_algorithm",
     .fault_class = "depends on the batch",
     .op = "conv2d/1.fwd",
     .where = "N = 1, 14x14x32: other bits, claimed exact",
     .level = "C5",
     .at = [](const Op& op) { return is_alone(op) && op.in(0)[3] == 32 && op.in(0)[1] == 14; },
     .run = one_ulp_more,
     .numerics = "exact"},
    {.name = "one_sequence_other_steps",
     .fault_class = "depends on the batch",
     .op = "gru/1.fwd",
     .where = "N = 1, 17 units: other bits, claimed exact",
     .level = "C5",
     .at = [](const Op& op) { return is_alone(op) && op.in(3)[0] == 17; },
     .run = one_ulp_more,
     .numerics = "exact"},
    {.name = "softmax_alone",
     .fault_class = "depends on the batch",
     .op = "softmax/1.fwd",
     .where = "N = 1, 10 classes: outside the bound",
     .level = "C5",
     .at = [](const Op& op) { return is_alone(op) && op.in(0)[1] == 10; },
     .run =
         [](const Call& call) {
           call.right();
           for (float& x : call.outputs()) x *= 1.0001f;
         }},
    {.name = "row_17",
     .fault_class = "depends on the batch",
     .op = "linear/1.bwd_data",
     .where = "more than 17 rows: row 17 is that of 16",
     .level = "C4",
     .run = row_17},

    {.name = "shared_scratch",
     .fault_class = "depends on what runs beside it",
     .op = "mish/1.fwd",
     .where = "one buffer for all kernels",
     .level = "C5",
     .run = shared_scratch},
    {.name = "second_context",
     .fault_class = "depends on what runs beside it",
     .op = "hard_swish/1.fwd",
     .where = "other bits while two contexts are open, claimed exact",
     .level = "C5",
     .numerics = "exact"},
    {.name = "reads_scratch",
     .fault_class = "depends on what ran before",
     .op = "layer_norm/1.fwd",
     .where = "the workspace is taken to hold zeros, claimed exact",
     .level = "C5",
     .run = reads_scratch,
     .numerics = "exact"},
    {.name = "ages",
     .fault_class = "depends on what ran before",
     .op = "cosine/1.fwd",
     .where = "from the 13th execution on, claimed exact",
     .level = "C5",
     .at = [](const Op& op) { return op.in(0)[0] == 64; },
     .run = ages,
     .numerics = "exact"},

    {.name = "training_last_unit",
     .fault_class = "shows in a network alone",
     .op = "training",
     .where = "linear/1.bwd_weights of 17 x 19 with 37 units: the last learns nothing",
     .level = "C6",
     .at = [](const Op& op) { return op.in(0)[0] == 17 && op.in(0)[1] == 19; },
     .run =
         [](const Call& call) {
           call.right();
           std::fill_n(call.out() + 36 * 19, 19, 0.0f);
         },
     .within = "linear/1.bwd_weights"},
    {.name = "training_stale_weights",
     .fault_class = "shows in a network alone",
     .op = "training",
     .where = "linear/1.fwd of 17 x 17 with 5 units: packed once, never again",
     .level = "C6",
     .at = [](const Op& op) { return op.in(0)[0] == 17 && op.in(0)[1] == 17 && op.in(1)[0] == 5; },
     .run =
         [](const Call& call) {
           static const Floats packed = call.input(1);
           call.right({{1, packed.data()}});
         },
     .within = "linear/1.fwd"},
    {.name = "training_first_moment",
     .fault_class = "shows in a network alone",
     .op = "training",
     .where = "adam/1.step of 37 x 19: the first moment is not kept",
     .level = "C6",
     .at = [](const Op& op) { return op.out(0).rank() == 2 && op.out(0)[0] == 37; },
     .run =
         [](const Call& call) {
           const Floats moment = call.input(3);
           call.right();
           std::ranges::copy(moment, call.out(1));
         },
     .within = "adam/1.step"},
    {.name = "training_one_ulp",
     .fault_class = "shows in a network alone",
     .op = "training",
     .where = "relu/1.bwd of 17 x 37: one ulp, claimed exact",
     .level = "C6",
     .at = [](const Op& op) { return op.in(0).rank() == 2 && op.in(0)[1] == 37; },
     .run =
         [](const Call& call) {
           call.right();
           call.out()[36] = std::nextafter(call.out()[36], 1e30f);
         },
     .numerics = "exact",
     .within = "relu/1.bwd"},
};

}  // namespace

std::span<const Mutant> determinism_mutants() { return kMutants; }

}  // namespace mutants
