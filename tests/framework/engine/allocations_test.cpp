// Counts heap allocations of the process while a compiled step or prediction runs. Those that
// oneDNN makes by itself within dnnl_primitive_execute (an argument map and its like, a few per
// primitive) are told apart by their call stack.
#include <execinfo.h>
#include <gtest/gtest.h>
#include <link.h>

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "soma/predictor.hpp"
#include "soma/trainer.hpp"

extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* p, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {
std::atomic<bool> counting = false;
std::atomic<int> allocations = 0, inside_onednn = 0;
std::uintptr_t onednn_begin = 0, onednn_end = 0;

int find_onednn(dl_phdr_info* info, std::size_t, void*) {
  if (std::strstr(info->dlpi_name, "libdnnl") == nullptr) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    onednn_begin = info->dlpi_addr + segment.p_vaddr;
    onednn_end = onednn_begin + segment.p_memsz;
  }
  return 1;
}

void count() {
  static thread_local bool within = false;
  if (!counting.load(std::memory_order_relaxed) || within) return;
  within = true;
  void* frames[24];
  const int depth = backtrace(frames, 24);
  bool onednn = false;
  for (int i = 0; i < depth; ++i) {
    const auto at = reinterpret_cast<std::uintptr_t>(frames[i]);
    onednn |= at >= onednn_begin && at < onednn_end;
  }
  ++(onednn ? inside_onednn : allocations);
  within = false;
}
}  // namespace

extern "C" {
void* malloc(std::size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(std::size_t n, std::size_t size) {
  count();
  return __libc_calloc(n, size);
}
void* realloc(void* p, std::size_t size) {
  count();
  return __libc_realloc(p, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** p, std::size_t alignment, std::size_t size) {
  count();
  *p = __libc_memalign(alignment, size);
  return *p == nullptr ? 12 : 0;
}
}

namespace soma {
namespace {

template <class F>
int allocations_of(F&& f) {
  void* warm[4];
  backtrace(warm, 4);  // loads what it needs
  dl_iterate_phdr(find_onednn, nullptr);
  allocations = inside_onednn = 0;
  counting = true;
  f();
  counting = false;
  return allocations;
}

class NoAllocation : public testing::TestWithParam<std::pair<const char*, Numerics>> {};

TEST_P(NoAllocation, InATrainingStepOrAPrediction) {
  const auto [name, numerics] = GetParam();
  const Backend b = backend(name, {.numerics = numerics});
  Model net = Model::named("lenet5");
  Trainer trainer(net, b, {.threads = 2});
  std::vector<float> images(16 * 784, 0.25f);
  std::vector<std::int32_t> labels(16, 3);
  for (int i = 0; i < 3; ++i)
    trainer.step(images, labels);  // compiles, and lets threads set up what they keep
  EXPECT_EQ(allocations_of([&] { trainer.step(images, labels); }), 0);

  const Predictor predict(net, b, {.max_batch = 16, .threads = 2});
  std::vector<float> scores(160);
  for (int i = 0; i < 3; ++i) predict.run(images, scores);
  EXPECT_EQ(allocations_of([&] { predict.run(images, scores); }), 0);
}

TEST_P(NoAllocation, WithSeveralInputsAndOutputs) {
  const auto [name, numerics] = GetParam();
  const Backend b = backend(name, {.numerics = numerics});
  Model net = Model::with_inputs({{"x", {8}}, {"y", {8}}, {"unused", {3}, DType::i32}}, "several");
  net.add(Dense{.units = 8}, "a", {"x"}).add(Dense{.units = 8}, "b", {"y"});
  net.add(Add{}, "sum", {"a", "b"}).tie("b.weight", "a.weight");
  net.set_outputs({"sum", "a"}).set_loss(Loss::mean_squared_error, "a", 0.5);
  net.set_loss(Loss::softmax_cross_entropy, "sum");
  const std::vector<float> x(32, 0.5f);
  const std::vector<std::int32_t> labels(4, 1), ids(12, 7);
  const TensorView inputs[] = {x, x, ids}, targets[] = {labels, x};
  Trainer trainer(net, b, {.threads = 2});
  for (int i = 0; i < 3; ++i) trainer.step(inputs, targets);
  EXPECT_EQ(allocations_of([&] { trainer.step(inputs, targets); }), 0);

  const Predictor predict(net, b, {.max_batch = 4, .threads = 2});
  std::vector<float> sums(32), as(32);
  const std::span<float> outputs[] = {sums, as};
  for (int i = 0; i < 3; ++i) predict.run(inputs, outputs);
  EXPECT_EQ(allocations_of([&] { predict.run(inputs, outputs); }), 0);
}

TEST(AllocationCounter, Counts) {
  EXPECT_EQ(allocations_of([] { std::free(std::malloc(10)); }), 1);
  EXPECT_GE(allocations_of([] { Tensor t(Shape{4}); }), 1);
}

INSTANTIATE_TEST_SUITE_P(Backends, NoAllocation,
                         testing::Values(std::pair("reference", Numerics::exact),
                                         std::pair("tbb", Numerics::exact),
                                         std::pair("onednn", Numerics::fast),
                                         std::pair("onednn", Numerics::exact)),
                         [](const auto& info) {
                           return std::string(info.param.first) +
                                  (info.param.second == Numerics::exact ? "_exact" : "_fast");
                         });

}  // namespace
}  // namespace soma
