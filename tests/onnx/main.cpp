// Runs the stored ONNX cases whose one op exists here on one backend and prints, per op, how many
// were run and how many passed. Upstream's own tolerance: rtol 1e-3, atol 1e-7.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "translation.hpp"

namespace soma::onnx_tests {
namespace {

namespace fs = std::filesystem;

struct Count {
  int stored = 0, run = 0, passed = 0;
  std::map<std::string, int> reasons;  // why the others were not run
};
std::map<std::string, Count>& counts() {
  static std::map<std::string, Count> all;
  return all;
}

/// Empty if equal within the tolerance.
std::string difference(const Tensor& got, const Tensor& expected) {
  if (got.dims != expected.dims) {
    return "shape " + shape_of(got).str() + ", expected " + shape_of(expected).str();
  }
  if (got.integral != expected.integral) return "another element type";
  if (got.integral) return got.i == expected.i ? "" : "other whole numbers";
  for (std::size_t i = 0; i < expected.f.size(); ++i) {
    const double a = got.f[i], b = expected.f[i];
    const bool same =
        a == b || (std::isnan(a) && std::isnan(b)) || std::abs(a - b) <= 1e-7 + 1e-3 * std::abs(b);
    if (same) continue;
    char text[100];
    std::snprintf(text, sizeof text, "element %zu: %.9g, expected %.9g", i, a, b);
    return text;
  }
  return "";
}

class OnnxCase : public testing::Test {
 public:
  OnnxCase(fs::path folder, Backend backend)
      : folder_(std::move(folder)), backend_(std::move(backend)) {}
  void TestBody() override {
    const StoredCase c = read_case(folder_);
    Count& count = counts()[c.op];
    ++count.stored;
    const Translator* translator = c.node ? translator_of(c.op) : nullptr;
    if (translator == nullptr) {
      ++count.reasons[c.node ? "no such op" : c.why];
      return;
    }
    std::vector<Tensor> got;
    try {
      got = translator->translate(Machine(backend_), *c.node);
    } catch (const NotHere& reason) {
      ++count.reasons[reason.what()];
      return;
    }
    ++count.run;
    int compared = 0;
    for (std::size_t o = 0; o < got.size() && o < c.node->outputs.size(); ++o) {
      if (!c.node->outputs[o]) continue;
      ++compared;
      EXPECT_EQ(difference(got[o], *c.node->outputs[o]), "") << c.name << " output " << o;
    }
    EXPECT_GT(compared, 0) << c.name;
    if (!HasFailure()) ++count.passed;
  }

 private:
  fs::path folder_;
  Backend backend_;
};

void print_table(const std::string& title) {
  int stored = 0, run = 0, passed = 0;
  std::printf("\n%s\n%-26s %6s %5s %6s  not run because\n", title.c_str(), "op", "stored", "run",
              "passed");
  for (const auto& [op, count] : counts()) {
    std::string reasons;
    for (const auto& [reason, n] : count.reasons) {
      reasons += (reasons.empty() ? "" : ", ") + std::to_string(n) + "x " + reason;
    }
    std::printf("%-26s %6d %5d %6d  %s\n", op.c_str(), count.stored, count.run, count.passed,
                reasons.c_str());
    stored += count.stored;
    run += count.run;
    passed += count.passed;
  }
  std::printf("%-26s %6d %5d %6d\n", "all", stored, run, passed);
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const std::string name = argc > 1 ? argv[1] : "reference";
  const bool exact = argc > 2 && argv[2] == std::string("exact");
  const char* data = std::getenv("SOMA_DATA");
  const fs::path root = fs::path(data == nullptr ? "" : data) / "onnx-backend";
  if (data == nullptr || !fs::exists(root)) {
    std::cout << "did not run: SOMA_DATA names no folder with onnx-backend/\n";
    return 0;
  }
  const Backend tested = backend(name, {.numerics = exact ? Numerics::exact : Numerics::fast});
  std::vector<fs::path> folders;
  for (const char* group : {"node", "pytorch-converted", "pytorch-operator", "simple"}) {
    for (const auto& entry : fs::directory_iterator(root / group)) {
      if (fs::exists(entry.path() / "model.onnx")) folders.push_back(entry.path());
    }
  }
  std::ranges::sort(folders);
  for (const fs::path& folder : folders) {
    testing::RegisterTest("Onnx", folder.filename().c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [=] { return new OnnxCase(folder, tested); });
  }
  const int failed = RUN_ALL_TESTS();
  print_table(name + (exact ? ", exact" : ", fast"));
  return failed;
}

}  // namespace
}  // namespace soma::onnx_tests

int main(int argc, char** argv) { return soma::onnx_tests::main(argc, argv); }
