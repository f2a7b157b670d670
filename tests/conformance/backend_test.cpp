// What is asked of a backend as a whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <set>

#include "examination.hpp"
#include "options.hpp"
#include "soma/conformance/whole_backend.hpp"
#include "soma/op_catalogue.hpp"
#include "soma/sdk/ops/conv2d.hpp"
#include "soma/sdk/ops/linear.hpp"
#include "soma/sdk/ops/matmul.hpp"

namespace soma::conformance {
namespace {

/// One parameter where the tests of this file run, none where a case was asked for.
std::vector<std::string> whole_backend() {
  const FrontOptions& options = front_options();
  const bool all = options.case_filter.empty() && options.check_filter.empty();
  if (options.mode != FrontOptions::Mode::examine || !all) return {};
  return {options.backend};
}
std::string plain_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::ranges::replace_if(
      name, [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
}

class WholeBackend : public testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WholeBackend);
INSTANTIATE_TEST_SUITE_P(Declared, WholeBackend, testing::ValuesIn(whole_backend()), plain_name);

TEST_P(WholeBackend, DeclaresAndPreparesEveryOpOfTheCatalogue) {
  const std::vector<std::string> ids = examined().op_ids();
  for (const Op& op : example_ops()) {
    EXPECT_NE(std::ranges::find(ids, op.id), ids.end()) << op.id << " is not declared";
    std::string why;
    EXPECT_TRUE(examined().supports(op, &why)) << op.str() << ": " << why;
  }
}

TEST_P(WholeBackend, IsExaminedOnEveryOpOfTheCatalogue) {
  std::set<std::string> covered;
  for (const Case& c : cases()) covered.insert(c.op.id);
  for (const Op& op : example_ops()) EXPECT_TRUE(covered.contains(op.id)) << op.id;
}

TEST_P(WholeBackend, RefusesAnOpThatDoesNotExist) { EXPECT_EQ(fault_in_refusal(examined()), ""); }

TEST_P(WholeBackend, TakesCasesOfEveryOpThatItDeclares) {
  EXPECT_EQ(fault_in_declared_ops(examined()), "");
}

TEST_P(WholeBackend, RunsOnAsManyThreadsAsItIsTold) {
  EXPECT_EQ(fault_in_thread_count(examined()), "");
}

TEST_P(WholeBackend, CoversEveryIndexOfALoopOnce) {
  EXPECT_EQ(fault_in_loop_coverage(examined()), "");
}

TEST_P(WholeBackend, OpensAndClosesContextsWithoutKeepingMemory) {
  EXPECT_EQ(fault_in_opening(front_options().backend, front_options().numerics), "");
}

// oneDNN falls back to ref: or gemm: kernels where a layout or a shape does not suit it; then it is
// no longer the fast backend that its name promises. Its matmul for AVX2 is gemm:jit and nothing
// else.
bool is_fast(const std::string& implementation) {
  return implementation.starts_with("brg") || implementation.starts_with("jit") ||
         (__builtin_cpu_supports("avx512bw") == 0 && implementation.starts_with("gemm:jit"));
}

std::vector<std::string> fast_onednn() {
  std::vector<std::string> list = whole_backend();
  if (front_options().numerics == Numerics::exact) return {};
  std::erase_if(list, [](const std::string& name) { return name != "onednn"; });
  return list;
}

class FastOnednn : public testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(FastOnednn);
INSTANTIATE_TEST_SUITE_P(Implementations, FastOnednn, testing::ValuesIn(fast_onednn()), plain_name);

TEST_P(FastOnednn, ComputesTheContractionsOfLenetWithBrgemmOrJitKernels) {
  constexpr std::int64_t n = 64;
  const ops::Epilogue relu{.bias = true, .residual = false, .activation = "relu"};
  const ops::Window2d same{.pad_top = 2, .pad_bottom = 2, .pad_left = 2, .pad_right = 2};
  std::vector<Op> list;
  for (const auto& [input, weight] : {std::pair<Shape, Shape>{{n, 28, 28, 1}, {32, 5, 5, 1}},
                                      {{n, 14, 14, 32}, {64, 5, 5, 32}}}) {
    const ops::Conv2d convolution{.window = same, .epilogue = relu};
    list.push_back(convolution.forward(input, weight, Purpose::train));
    list.push_back(convolution.backward_data(input, weight));
    list.push_back(convolution.backward_weights(input, weight));
  }
  for (const auto& [k, outputs] : {std::pair<std::int64_t, std::int64_t>{3136, 512}, {512, 10}}) {
    const Shape input{n, k}, weight{outputs, k};
    const ops::Linear linear{.epilogue = relu};
    list.push_back(linear.forward(input, weight, Purpose::train));
    list.push_back(linear.backward_data(input, weight));
    list.push_back(linear.backward_weights(input, weight));
  }
  const Shape a{1, n, 512}, b{1, 512, 256};
  list.push_back(ops::Matmul{}.forward(a, b, Purpose::train));
  list.push_back(ops::Matmul{}.backward_a(a, b));
  list.push_back(ops::Matmul{}.backward_b(a, b));
  for (const Op& op : list) {
    const std::string name = examined().prepare(op).info().implementation;
    EXPECT_TRUE(is_fast(name)) << op.str() << ": " << name;
    if (front_options().numerics == Numerics::bf16) {
      EXPECT_NE(name.find("bf16"), std::string::npos) << op.str() << ": " << name;
    }
  }
}

}  // namespace
}  // namespace soma::conformance
