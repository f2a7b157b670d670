// Counts heap allocations, comparisons and hashes of strings, and creations of oneDNN primitives
// while a compiled step or prediction runs. What oneDNN does by itself within
// dnnl_primitive_execute (an argument map and its like, a few blocks per primitive) is told apart
// by its call stack.
#include <dlfcn.h>
#include <execinfo.h>
#include <gtest/gtest.h>
#include <link.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <ostream>

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
std::atomic<int> allocations = 0, lookups = 0, primitives = 0, inside_onednn = 0;
std::uintptr_t onednn_begin = 0, onednn_end = 0;
const char* onednn_file = nullptr;

int find_onednn(dl_phdr_info* info, std::size_t, void*) {
  if (std::strstr(info->dlpi_name, "libdnnl") == nullptr) return 0;
  onednn_file = info->dlpi_name;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    onednn_begin = info->dlpi_addr + segment.p_vaddr;
    onednn_end = onednn_begin + segment.p_memsz;
  }
  return 1;
}

void count(std::atomic<int>& what = allocations) {
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
  ++(onednn ? inside_onednn : what);
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
// A string is found by comparing or by hashing it.
int memcmp(const void* a, const void* b, std::size_t n) {
  count(lookups);
  const auto *x = static_cast<const volatile unsigned char*>(a),
             *y = static_cast<const volatile unsigned char*>(b);
  for (; n > 0; --n, ++x, ++y) {
    if (*x != *y) return *x < *y ? -1 : 1;
  }
  return 0;
}
int strcmp(const char* a, const char* b) {
  count(lookups);
  const volatile char *x = a, *y = b;
  for (; *x == *y && *x != 0; ++x, ++y) {
  }
  return static_cast<unsigned char>(*x) - static_cast<unsigned char>(*y);
}
// oneDNN's, in place of its own: the plugin's calls come here.
[[gnu::visibility("default")]] int dnnl_primitive_create(void** primitive, const void* descriptor) {
  if (counting.load(std::memory_order_relaxed)) ++primitives;
  if (onednn_file == nullptr) dl_iterate_phdr(find_onednn, nullptr);
  void* library = dlopen(onednn_file, RTLD_LAZY | RTLD_NOLOAD);
  const auto create =
      reinterpret_cast<int (*)(void**, const void*)>(dlsym(library, "dnnl_primitive_create"));
  return create(primitive, descriptor);
}
[[gnu::visibility("default")]] int posix_memalign(void** p, std::size_t alignment,
                                                  std::size_t size) {
  count();
  *p = __libc_memalign(alignment, size);
  return *p == nullptr ? 12 : 0;
}
}

namespace soma {
namespace {

/// What happened while f() ran, oneDNN's own doings apart.
struct Counted {
  int allocations = 0, lookups = 0, primitives = 0;
  friend bool operator==(const Counted&, const Counted&) = default;
};
void PrintTo(const Counted& c, std::ostream* out) {
  *out << c.allocations << " allocations, " << c.lookups << " look-ups, " << c.primitives
       << " primitives";
}
constexpr Counted kNothing;

template <class F>
Counted counted(F&& f) {
  void* warm[4];
  backtrace(warm, 4);  // loads what it needs
  dl_iterate_phdr(find_onednn, nullptr);
  allocations = lookups = primitives = inside_onednn = 0;
  counting = true;
  f();
  counting = false;
  return {allocations, lookups, primitives};
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
  EXPECT_EQ(counted([&] { trainer.step(images, labels); }), kNothing);

  const Predictor predict(net, b, {.max_batch = 16, .threads = 2});
  std::vector<float> scores(160);
  for (int i = 0; i < 3; ++i) predict.run(images, scores);
  EXPECT_EQ(counted([&] { predict.run(images, scores); }), kNothing);
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
  EXPECT_EQ(counted([&] { trainer.step(inputs, targets); }), kNothing);

  const Predictor predict(net, b, {.max_batch = 4, .threads = 2});
  std::vector<float> sums(32), as(32);
  const std::span<float> outputs[] = {sums, as};
  for (int i = 0; i < 3; ++i) predict.run(inputs, outputs);
  EXPECT_EQ(counted([&] { predict.run(inputs, outputs); }), kNothing);
}

TEST(Counters, Count) {
  EXPECT_EQ(counted([] { std::free(std::malloc(10)); }).allocations, 1);
  EXPECT_GE(counted([] { Tensor t(Shape{4}); }).allocations, 1);
  const std::string one = "conv1.weight", other = "conv1.bias!!";
  volatile bool same = false;
  EXPECT_GE(counted([&] { same = one == other; }).lookups, 1);
  const Backend b = backend("onednn");
  Model net = Model::named("lenet5");
  EXPECT_GT(counted([&] { Trainer(net, b).kernels(4); }).primitives, 5);
}

std::vector<std::pair<const char*, Numerics>> kinds() {
  std::vector<std::pair<const char*, Numerics>> list = {{"reference", Numerics::exact},
                                                        {"tbb", Numerics::exact},
                                                        {"onednn", Numerics::fast},
                                                        {"onednn", Numerics::exact}};
  if (__builtin_cpu_supports("avx512bf16")) {
    setenv("SOMA_BF16", "always", 1);  // whatever the shape
    list.emplace_back("onednn", Numerics::bf16);
  }
  return list;
}

INSTANTIATE_TEST_SUITE_P(Backends, NoAllocation, testing::ValuesIn(kinds()), [](const auto& info) {
  return std::string(info.param.first) + "_" + name_of(info.param.second);
});

}  // namespace
}  // namespace soma
