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
std::vector<CaseCheck> all_checks() {
  std::vector<CaseCheck> list;
  if (front_options().mode != FrontOptions::Mode::examine) return list;
  const bool of_oracle = front_options().backend == "reference";
  // All others are computed as under fast numerics.
  const bool contractions = front_options().numerics == Numerics::bf16;
  for (const Case& c : cases()) {
    if (!wanted(c) || (contractions && !is_contraction(c.op))) continue;
    for (const Check check : checks_for(c, of_oracle)) {
      const std::string& only = front_options().check_filter;
      if (only.empty() || only == name_of(check)) list.push_back({&c, check});
    }
  }
  return list;
}

std::string name_of_parameter(const testing::TestParamInfo<CaseCheck>& info) {
  return info.param.c->family + "__" + info.param.c->name + "__" + name_of(info.param.check);
}

// A filter may leave nothing.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(Ops);
INSTANTIATE_TEST_SUITE_P(All, Ops, testing::ValuesIn(all_checks()), name_of_parameter);

}  // namespace
}  // namespace soma::conformance
