#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <numeric>

#include "soma/dataset.hpp"
#include "temporary_folder.hpp"

namespace {

TEST(Mnist, IsReadWhole) {
  const char* folder = std::getenv("SOMA_DATA");
  if (folder == nullptr || *folder == 0) {
    GTEST_SKIP() << "SOMA_DATA is not set, so MNIST was not read";
  }
  const auto data = soma::data::load("mnist");
  EXPECT_EQ(data.train.size(), 60'000);
  EXPECT_EQ(data.test.size(), 10'000);
  EXPECT_EQ(data.train.sample_shape(), (soma::Shape{28, 28, 1}));
  EXPECT_EQ(data.train.classes(), 10);
  std::array<std::int64_t, 10> rows;
  std::iota(rows.begin(), rows.end(), 0);
  std::array<std::int32_t, 10> labels;
  data.train.gather_labels(rows, labels.data());
  EXPECT_EQ(labels, (std::array<std::int32_t, 10>{5, 0, 4, 1, 9, 2, 1, 3, 1, 4}));
  for (const auto& info : soma::data::list()) {
    EXPECT_TRUE(info.available) << info.name;
  }
}

/// Sets environment variables for one test.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() { old_.empty() ? ::unsetenv(name_) : ::setenv(name_, old_.c_str(), 1); }

 private:
  const char* name_;
  std::string old_;
};

TEST(MnistErrors, SayWhereItWasLookedFor) {
  const TemporaryFolder folder;
  const auto error = [] {
    return message_of<soma::FormatError>([] { soma::data::load("mnist"); });
  };
  const std::string files =
      ", found no train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, "
      "t10k-labels-idx1-ubyte";
  const std::string fetch = "; get it with: soma data fetch mnist";
  const std::string glyphs = "; the built-in data set 'glyphs' needs no download";
  const std::string start = "data 'mnist': expected the IDX files (plain or .gz) in ";
  {
    const Environment data("SOMA_DATA", folder.path());
    EXPECT_EQ(error(), start + (folder / "mnist").string() + files + fetch + glyphs);
  }
  const Environment data("SOMA_DATA", ""), shared("XDG_DATA_HOME", folder.path());
  EXPECT_EQ(error(), start + (folder / "soma/mnist").string() + files +
                         "; SOMA_DATA, the folder that has it, is not set" + fetch + glyphs);
}

}  // namespace
