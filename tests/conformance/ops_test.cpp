// Every case of every op family against the backend named on the command line.
#include <gtest/gtest.h>

#include "examination.hpp"
#include "options.hpp"

namespace soma::conformance {
namespace {

class Ops : public testing::TestWithParam<CaseCheck> {};

TEST_P(Ops, KeepTheirContract) {
  const auto& [c, check] = GetParam();
  const Result result = examiner().examine(*c, check);
  summary().add(result);
  EXPECT_TRUE(result.passed) << c->id() << ", " << name_of(check) << ": " << result.message
                             << "\n  rerun: " << rerun_command(*c, check);
}

bool wanted(const Case& c) {
  const std::string& filter = front_options().case_filter;
  if (filter.find('/') != std::string::npos) return c.id() == filter;
  return c.id().find(filter) != std::string::npos;
}

/// Case by case, so that the checks of a case share what was computed for it.
std::vector<CaseCheck> checks_of(const std::string& family) {
  std::vector<CaseCheck> list;
  if (front_options().mode != FrontOptions::Mode::examine) return list;
  const bool of_oracle = front_options().backend == "reference";
  for (const Case& c : cases()) {
    if (c.family != family || !wanted(c)) continue;
    for (const Check check : checks_for(c, of_oracle)) {
      const std::string& only = front_options().check_filter;
      if (only.empty() || only == name_of(check)) list.push_back({&c, check});
    }
  }
  return list;
}

std::string name_of_parameter(const testing::TestParamInfo<CaseCheck>& info) {
  return info.param.c->name + "__" + name_of(info.param.check);
}

// A filter may leave a family without cases.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Ops);

#define SOMA_CONFORMANCE_FAMILY(family) \
  INSTANTIATE_TEST_SUITE_P(family, Ops, testing::ValuesIn(checks_of(#family)), name_of_parameter)
SOMA_CONFORMANCE_FAMILY(linear);
SOMA_CONFORMANCE_FAMILY(matmul);
SOMA_CONFORMANCE_FAMILY(conv2d);
SOMA_CONFORMANCE_FAMILY(pool2d);
SOMA_CONFORMANCE_FAMILY(pointwise);
SOMA_CONFORMANCE_FAMILY(softmax);
SOMA_CONFORMANCE_FAMILY(loss);
SOMA_CONFORMANCE_FAMILY(optimizer);
SOMA_CONFORMANCE_FAMILY(activation);
#undef SOMA_CONFORMANCE_FAMILY

}  // namespace
}  // namespace soma::conformance
