// The GoogleTest front of the conformance suite; takes any backend by name.
#include <gtest/gtest.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <stdexcept>

#include "examination.hpp"
#include "options.hpp"
#include "soma/conformance/digest.hpp"
#include "soma/error.hpp"

namespace soma::conformance {

FrontOptions& front_options() {
  static FrontOptions options;
  return options;
}

namespace {

constexpr const char* kUsage =
    "usage: soma_conformance_tests [--backend NAME] [--numerics fast|exact|bf16] [--case FILTER]\n"
    "         [--check NAME] [--seed N] [--table FILE] [GoogleTest flags]\n"
    "       soma_conformance_tests --digest [--backend NAME] ...   prints one hash per op\n"
    "       soma_conformance_tests --isa [--backend NAME] ...      AVX2, AVX-512 and reference\n";

Numerics numerics_named(const std::string& name) {
  for (const Numerics numerics : {Numerics::fast, Numerics::exact, Numerics::bf16}) {
    if (name == name_of(numerics)) return numerics;
  }
  throw std::invalid_argument("unknown numerics " + name);
}

FrontOptions parse(int argc, char** argv) {
  FrontOptions options;
  options.program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (flag == "--digest" || flag == "--isa") {
      options.mode = flag == "--isa" ? FrontOptions::Mode::isa : FrontOptions::Mode::digest;
      continue;
    }
    if (i + 1 == argc) throw std::invalid_argument("unknown or unfinished option " + flag);
    const std::string value = argv[++i];
    if (flag == "--backend") {
      options.backend = value;
    } else if (flag == "--numerics") {
      options.numerics = numerics_named(value);
    } else if (flag == "--case") {
      options.case_filter = value;
    } else if (flag == "--check") {
      options.check_filter = value;
    } else if (flag == "--seed") {
      options.seed = std::stoull(value);
    } else if (flag == "--table") {
      options.table = value;
    } else {
      throw std::invalid_argument("unknown option " + flag + " " + value);
    }
  }
  return options;
}

/// GoogleTest's own flags, moved out of the way of ours.
std::vector<char*> take_gtest_flags(int& argc, char** argv) {
  std::vector<char*> taken{argv[0]};
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "--gtest_", 8) == 0) {
      taken.push_back(argv[i]);
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  taken.push_back(nullptr);  // as behind every argv
  return taken;
}

constexpr int kNotHere = 77;  // CTest's SKIP_RETURN_CODE

/// False if the backend refuses the numerics, most likely for this CPU; says why.
bool opens(const FrontOptions& options) {
  try {
    return static_cast<bool>(backend(options.backend, {.numerics = options.numerics}));
  } catch (const UnsupportedError& error) {
    std::fprintf(stderr, "soma_conformance_tests: %s\n", error.what());
    return false;
  }
}

int print_digest(const FrontOptions& options) {
  const Backend examined = backend(options.backend, {.numerics = options.numerics});
  for (const auto& [op, hash] : digest(examined, options.seed, 2)) {
    std::printf("%s %016" PRIx64 "\n", op.c_str(), hash);
  }
  return 0;
}

}  // namespace
}  // namespace soma::conformance

int main(int argc, char** argv) {
  using namespace soma::conformance;
  std::vector<char*> gtest_flags = take_gtest_flags(argc, argv);
  try {
    front_options() = parse(argc, argv);
  } catch (const std::logic_error& error) {
    std::fprintf(stderr, "soma_conformance_tests: %s\n%s", error.what(), kUsage);
    return 2;
  }
  const FrontOptions& options = front_options();
  try {
    if (options.mode == FrontOptions::Mode::digest) return print_digest(options);
    if (options.numerics == soma::Numerics::bf16 && !opens(options)) return kNotHere;
    int gtest_count = static_cast<int>(gtest_flags.size()) - 1;
    testing::InitGoogleTest(&gtest_count, gtest_flags.data());
    const int status = RUN_ALL_TESTS();
    if (options.mode == FrontOptions::Mode::examine) {
      std::printf("\n%s, %s numerics, seed %" PRIu64 "\n%s", options.backend.c_str(),
                  name_of(options.numerics), options.seed, summary().text().c_str());
      if (!options.table.empty()) {
        write_table(options.table, options.backend + " " + name_of(options.numerics), summary());
      }
    }
    if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
      std::fprintf(stderr, "soma_conformance_tests: no case matches\n");
      return 1;
    }
    return status;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soma_conformance_tests: %s\n", error.what());
    return 1;
  }
}
