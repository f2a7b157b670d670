// SOMA_ISA is read once per process, so each instruction set is examined in a child.
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>

#include "options.hpp"

namespace soma::conformance {
namespace {

struct ChildResult {
  int status = -1;
  std::string output;
};

/// Runs this program with `arguments` and the extra environment and waits for it.
ChildResult run_self(std::vector<std::string> arguments, const std::vector<std::string>& extra) {
  std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  std::vector<char*> argv{self.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  std::vector<std::string> variables = extra;
  for (char** v = environ; *v != nullptr; ++v) {
    const std::string variable = *v;
    const std::string name = variable.substr(0, variable.find('=') + 1);
    if (name != "SOMA_ISA=" && name != "ONEDNN_MAX_CPU_ISA=") variables.push_back(variable);
  }
  std::vector<char*> environment;
  for (std::string& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);

  int ends[2];
  if (pipe(ends) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  pid_t child = 0;
  const int failed =
      posix_spawn(&child, self.c_str(), &actions, nullptr, argv.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  ChildResult result;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;) {
    result.output.append(buffer, static_cast<std::size_t>(n));
  }
  close(ends[0]);
  if (failed == 0) waitpid(child, &result.status, 0);
  return result;
}

using Digest = std::map<std::string, std::string>;

Digest digest_of(const std::string& backend, const std::vector<std::string>& environment) {
  const ChildResult child = run_self({"--digest", "--backend", backend, "--numerics", "exact",
                                      "--seed", std::to_string(front_options().seed)},
                                     environment);
  EXPECT_EQ(child.status, 0) << "the child for " << backend << " failed";
  Digest digest;
  std::istringstream lines(child.output);
  for (std::string op, hash; lines >> op >> hash;) digest[op] = hash;
  return digest;
}

const Digest& reference_digest() {
  static const Digest digest = digest_of("reference", {});
  return digest;
}

std::vector<std::string> isa_backends() {
  if (front_options().mode != FrontOptions::Mode::isa) return {};
  return backend_names();
}

class InstructionSets : public testing::TestWithParam<std::string> {};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(InstructionSets);
INSTANTIATE_TEST_SUITE_P(Exact, InstructionSets, testing::ValuesIn(isa_backends()),
                         [](const auto& info) { return info.param; });

void expect_reference_bits(const Digest& digest, const std::string& where) {
  ASSERT_FALSE(reference_digest().empty());
  for (const auto& [op, hash] : reference_digest()) {
    const auto found = digest.find(op);
    ASSERT_NE(found, digest.end()) << op << where;
    EXPECT_EQ(found->second, hash) << op << where << " has other bits than the reference";
  }
}

TEST_P(InstructionSets, GiveTheBitsOfTheReferenceOnAvx2) {
  expect_reference_bits(digest_of(GetParam(), {"SOMA_ISA=avx2", "ONEDNN_MAX_CPU_ISA=AVX2"}),
                        " on AVX2");
}

TEST_P(InstructionSets, GiveTheBitsOfTheReferenceOnTheWidestOfThisCpu) {
  const bool avx512 = __builtin_cpu_supports("avx512f") != 0;
  RecordProperty("isa", avx512 ? "avx512" : "avx2");
  expect_reference_bits(digest_of(GetParam(), {avx512 ? "SOMA_ISA=avx512" : "SOMA_ISA=avx2"}),
                        avx512 ? " on AVX-512" : " on AVX2");
}

}  // namespace
}  // namespace soma::conformance
