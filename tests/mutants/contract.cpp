// What a backend may not do beside its sums: to memory, settings and claims.
#include <dlfcn.h>
#include <fcntl.h>
#include <immintrin.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "mutant.hpp"

namespace mutants {
namespace {

volatile float seen;
void* volatile lost;

void right_and(const Call& call, void (*also)()) {
  call.right();
  also();
}

/// y is written first and x is read again afterwards.
void read_after_write(const Call& call) {
  const float* x = call.in();
  for (std::int64_t i = 0; i < call.out_size(); ++i) {
    call.out()[i] = 0.01f * x[i];
    if (x[i] > 0) call.out()[i] = x[i];
  }
}

void subtract_max_in_place(const Call& call) {
  auto* x = const_cast<float*>(call.in());
  const std::int64_t width = call.op.in(0)[1];
  for (std::int64_t row = 0; row < call.in_size(); row += width) {
    const float most = *std::max_element(x + row, x + row + width);
    for (std::int64_t c = row; c < row + width; ++c) x[c] -= most;
  }
  call.right();
}

void leave_last_unwritten(const Call& call) {
  const float before = call.out()[call.out_size() - 1];
  call.right();
  call.out()[call.out_size() - 1] = before;
}

void aligned_load(const Call& call) {
  if (call.in_size() >= 8) __asm__ volatile("vmovaps (%0), %%ymm0" : : "r"(call.in()) : "xmm0");
  call.right();
}

void pin_to_a_cpu() {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(sched_getcpu(), &one);
  sched_setaffinity(0, sizeof one, &one);
}

void set_openmp_threads() {
  static void* const runtime = dlopen("libgomp.so.1", RTLD_NOW | RTLD_GLOBAL);
  if (runtime == nullptr) return;
  const auto set = reinterpret_cast<void (*)(int)>(dlsym(runtime, "omp_set_num_threads"));
  const auto get = reinterpret_cast<int (*)()>(dlsym(runtime, "omp_get_max_threads"));
  set(get() + 1);
}

void lose_x87_digits() {
  std::uint16_t word = 0;
  __asm__ volatile("fnstcw %0" : "=m"(word));
  word = static_cast<std::uint16_t>(word & ~0x0300);
  __asm__ volatile("fldcw %0" : : "m"(word));
}

/// Ids outside the table count as 0.
void clamp_ids(const Call& call) {
  std::vector<std::int32_t> ids(call.in<std::int32_t>(1),
                                call.in<std::int32_t>(1) + call.in_size(1));
  const std::int64_t rows = call.op.in(0)[0];
  for (std::int32_t& id : ids) id = id < 0 || id >= rows ? 0 : id;
  call.right({{1, ids.data()}});
}

void ignore_bad_targets(const Call& call) {
  std::vector<std::int32_t> targets(call.in<std::int32_t>(1),
                                    call.in<std::int32_t>(1) + call.in_size(1));
  const std::int64_t classes = call.op.in(0).back();
  const std::int64_t ignored = call.op.attributes.integer("ignore_index", 0);
  for (std::int32_t& t : targets) {
    if (t != ignored && t >= classes) t = static_cast<std::int32_t>(classes) - 1;
  }
  call.right({{1, targets.data()}});
}

void clear_before_checking(const Call& call) {
  std::ranges::fill(call.outputs(), 0.0f);
  call.right();
}

bool has_elements(const Op& op, std::int64_t n) { return op.out(0).elements() == n; }

const Mutant kMutants[] = {
    {.name = "reads_behind",
     .fault_class = "memory outside the buffers",
     .op = "add/1.fwd",
     .where = "one element behind its input",
     .level = "C2",
     .run =
         [](const Call& call) {
           seen = static_cast<const volatile float*>(call.in())[call.in_size()];
           call.right();
         }},
    {.name = "reads_before",
     .fault_class = "memory outside the buffers",
     .op = "max_pool2d/1.fwd",
     .where = "one element before its input, padding on the left",
     .level = "C2",
     .at = [](const Op& op) { return op.attributes.integer("pad_left", 0) > 0; },
     .run =
         [](const Call& call) {
           seen = static_cast<const volatile float*>(call.in())[-1];
           call.right();
         }},
    {.name = "writes_behind",
     .fault_class = "memory outside the buffers",
     .op = "silu/1.fwd",
     .where = "31 elements: a whole vector is stored",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 31); },
     .run =
         [](const Call& call) {
           call.right();
           static_cast<volatile float*>(call.out())[31] = 0;
         }},
    {.name = "writes_before",
     .fault_class = "memory outside the buffers",
     .op = "conv2d/1.bwd_data",
     .where = "the row above the image, dilation 2",
     .level = "C2",
     .at = [](const Op& op) { return op.attributes.integer("dilation_h", 1) == 2; },
     .run =
         [](const Call& call) {
           call.right();
           static_cast<volatile float*>(call.out())[-2] = 0;
         }},
    {.name = "workspace_overrun",
     .fault_class = "memory outside the buffers",
     .op = "linear/1.bwd_weights",
     .where = "16 bytes more of the workspace than it asked for",
     .level = "C2",
     .at = [](const Op& op) { return op.in(0)[0] == 17; },
     .run =
         [](const Call& call) {
           call.right();
           std::fill_n(call.scratch() + 64, 16, std::byte{0});
         }},

    {.name = "changes_its_input",
     .fault_class = "wrong use of the buffers",
     .op = "softmax/1.fwd",
     .where = "the maximum is subtracted in place",
     .level = "C2",
     .run = subtract_max_in_place},
    {.name = "last_element_unwritten",
     .fault_class = "wrong use of the buffers",
     .op = "subtract/1.fwd",
     .where = "15 elements",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 15); },
     .run = leave_last_unwritten},
    {.name = "aligned_load",
     .fault_class = "wrong use of the buffers",
     .op = "gelu/1.fwd",
     .where = "its input is taken to be aligned to 32 bytes",
     .level = "C2",
     .run = aligned_load},
    {.name = "reads_after_writing",
     .fault_class = "wrong use of the buffers",
     .op = "leaky_relu/1.fwd",
     .where = "y in the place of x",
     .level = "C2",
     .at = [](const Op& op) { return op.attributes.entries().empty(); },
     .run = read_after_write},
    {.name = "no_rows_no_gradient",
     .fault_class = "zero sizes",
     .op = "linear/1.bwd_weights",
     .where = "M = 0: the gradient is left as it was",
     .level = "C2",
     .at = [](const Op& op) { return op.in(0)[0] == 0 && !op.attributes.flag("accumulate"); },
     .run = [](const Call&) {},
     .on_empty = true},
    {.name = "no_terms_no_bias",
     .fault_class = "zero sizes",
     .op = "linear/1.fwd",
     .where = "K = 0: 0 instead of the bias",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[1] == 0; },
     .run = [](const Call& call) { std::ranges::fill(call.outputs(), 0.0f); },
     .on_empty = true},
    {.name = "sum_of_nothing",
     .fault_class = "zero sizes",
     .op = "sum/1.fwd",
     .where = "an axis of 0: NaN instead of 0",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0).elements() == 0; },
     .run = [](const Call& call) { std::ranges::fill(call.outputs(), __builtin_nanf("")); },
     .on_empty = true},
    {.name = "no_images_running_statistics",
     .fault_class = "zero sizes",
     .op = "batch_norm/1.fwd",
     .where = "M = 0: the running mean becomes 0",
     .level = "C3",
     .at = [](const Op& op) { return op.in(0)[0] == 0 && op.outputs.size() > 1; },
     .run =
         [](const Call& call) {
           call.right();
           std::ranges::fill(call.outputs(3), 0.0f);
         },
     .on_empty = true},

    {.name = "flushes_subnormals",
     .fault_class = "settings left behind",
     .op = "exp/1.fwd",
     .where = "flush-to-zero and denormals-are-zero stay on",
     .level = "C2",
     .run = [](const Call& call) { right_and(call, [] { _mm_setcsr(_mm_getcsr() | 0x8040); }); }},
    {.name = "rounds_toward_zero",
     .fault_class = "settings left behind",
     .op = "cast/1.fwd",
     .where = "the rounding of SSE stays toward zero",
     .level = "C2",
     .run = [](const Call& call) { right_and(call, [] { _mm_setcsr(_mm_getcsr() | 0x6000); }); }},
    {.name = "unmasks_exceptions",
     .fault_class = "settings left behind",
     .op = "sqrt/1.fwd",
     .where = "a division by zero would end the process from now on",
     .level = "C2",
     .run = [](const Call& call) { right_and(call, [] { _mm_setcsr(_mm_getcsr() & ~0x200u); }); }},
    {.name = "x87_precision",
     .fault_class = "settings left behind",
     .op = "log/1.fwd",
     .where = "the x87 computes with 24 bits from now on",
     .level = "C2",
     .run = [](const Call& call) { right_and(call, lose_x87_digits); }},
    {.name = "openmp_threads",
     .fault_class = "settings left behind",
     .op = "max/1.fwd",
     .where = "OpenMP has one thread more than before",
     .level = "C2",
     .run = [](const Call& call) { right_and(call, set_openmp_threads); }},
    {.name = "pins_the_caller",
     .fault_class = "settings left behind",
     .op = "matmul/1.bwd_a",
     .where = "the calling thread stays on one CPU",
     .level = "C2",
     .run = [](const Call& call) { right_and(call, pin_to_a_cpu); }},

    {.name = "leaks_per_execution",
     .fault_class = "leak",
     .op = "dropout/1.fwd",
     .where = "48 bytes of every execution",
     .level = "C2",
     .run =
         [](const Call& call) {
           call.right();
           lost = std::malloc(48);
         }},
    {.name = "leaks_per_kernel",
     .fault_class = "leak",
     .op = "attention/1.fwd",
     .where = "100 bytes of every kernel that is prepared",
     .level = "C2"},
    {.name = "leaks_per_context",
     .fault_class = "leak",
     .op = "backend",
     .where = "64 bytes of every context that is opened",
     .level = "C1"},
    {.name = "leaks_files",
     .fault_class = "leak",
     .op = "upsample2d/1.fwd",
     .where = "an open file of every execution",
     .level = "C2",
     .run =
         [](const Call& call) {
           call.right();
           seen = static_cast<float>(open("/dev/null", O_RDONLY));
         }},
    {.name = "leaks_threads",
     .fault_class = "leak",
     .op = "backend",
     .where = "a thread of every context that is opened",
     .level = "C1"},

    {.name = "accepts_foreign_ids",
     .fault_class = "bad operands",
     .op = "embedding/1.fwd",
     .where = "an id outside the table counts as 0",
     .level = "C2",
     .run = clamp_ids},
    {.name = "accepts_foreign_classes",
     .fault_class = "bad operands",
     .op = "softmax_cross_entropy/1.fwd",
     .where = "a target of C counts as C - 1",
     .level = "C2",
     .run = ignore_bad_targets},
    {.name = "writes_before_refusing",
     .fault_class = "bad operands",
     .op = "embedding/1.bwd",
     .where = "the gradient is cleared, then the ids are looked at",
     .level = "C2",
     .run = clear_before_checking},

    {.name = "kernel_throws",
     .fault_class = "throws",
     .op = "elu/1.bwd",
     .where = "127 elements: std::runtime_error",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 127); },
     .run = [](const Call&) { throw std::runtime_error("out of luck"); }},
    {.name = "kernel_throws_a_number",
     .fault_class = "throws",
     .op = "mish/1.bwd",
     .where = "9 elements: an int",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 9); },
     .run = [](const Call&) { throw 9; }},
    {.name = "prepare_throws",
     .fault_class = "throws",
     .op = "group_norm/1.fwd",
     .where = "33 channels, not as unsupported",
     .level = "C2",
     .at = [](const Op& op) { return op.in(0).back() == 33; }},

    {.name = "crashes",
     .fault_class = "crash or hang",
     .op = "softplus/1.bwd",
     .where = "31 elements",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 31); },
     .run = [](const Call&) { *static_cast<volatile int*>(nullptr) = 1; }},
    {.name = "aborts",
     .fault_class = "crash or hang",
     .op = "lion/1.step",
     .where = "9 rows of 7",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 63); },
     .run = [](const Call&) { std::abort(); }},
    {.name = "exits",
     .fault_class = "crash or hang",
     .op = "softsign/1.fwd",
     .where = "127 elements: the process ends, with 0",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 127); },
     .run = [](const Call&) { _exit(0); }},
    {.name = "hangs",
     .fault_class = "crash or hang",
     .op = "hinge/1.bwd",
     .where = "33 elements",
     .level = "C2",
     .at = [](const Op& op) { return has_elements(op, 33); },
     .run =
         [](const Call&) {
           while (true) pause();
         }},

    {.name = "supports_too_much",
     .fault_class = "lies about what it supports",
     .op = "log/1.bwd",
     .where = "4 axes are supported, but not prepared",
     .level = "C2",
     .at = [](const Op& op) { return op.in(0).rank() == 4; }},
    {.name = "supports_too_little",
     .fault_class = "lies about what it supports",
     .op = "square/1.fwd",
     .where = "4 axes are prepared, but not supported",
     .level = "C2",
     .at = [](const Op& op) { return op.in(0).rank() == 4; }},
    {.name = "declares_and_refuses",
     .fault_class = "lies about what it supports",
     .op = "backend",
     .where = "permute/1.fwd is declared, and every case refused",
     .level = "C2"},
    {.name = "forward_without_backward",
     .fault_class = "lies about what it supports",
     .op = "softsign/1.fwd",
     .where = "taken for training, its backward op is not",
     .level = "C2"},
    {.name = "supports_anything",
     .fault_class = "lies about what it supports",
     .op = "backend",
     .where = "directions of linear that do not exist",
     .level = "C2"},
    {.name = "bounded_in_exact",
     .fault_class = "lies about what it supports",
     .op = "rms_norm/1.bwd",
     .where = "claims the class bounded under exact numerics",
     .level = "C2",
     .numerics = "exact"},

    {.name = "loop_loses_its_end",
     .fault_class = "wrong loops",
     .op = "plugin",
     .where = "parallel_for: a last piece shorter than the others",
     .level = "C1"},
    {.name = "loop_overlaps",
     .fault_class = "wrong loops",
     .op = "backend",
     .where = "parallel_for: one index twice, 3 threads",
     .level = "C2"},
    {.name = "loop_keeps_its_threads",
     .fault_class = "wrong loops",
     .op = "backend",
     .where = "parallel_for: never more threads than at first",
     .level = "C2"},
    {.name = "loop_flushes",
     .fault_class = "wrong loops",
     .op = "plugin",
     .where = "parallel_for: the caller's flush-to-zero stays on",
     .level = "C1"},
};

}  // namespace

std::span<const Mutant> contract_mutants() { return kMutants; }

}  // namespace mutants
