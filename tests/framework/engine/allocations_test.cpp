// Counts heap allocations of the process while a compiled step or prediction runs.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>

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
std::atomic<int> allocations = 0;
void count() {
  if (counting.load(std::memory_order_relaxed)) ++allocations;
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
  allocations = 0;
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

TEST(AllocationCounter, Counts) {
  EXPECT_GE(allocations_of([] { std::free(std::malloc(10)); }), 1);
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
