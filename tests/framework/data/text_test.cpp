#include <gtest/gtest.h>

#include <filesystem>

#include "soma/dataset.hpp"
#include "soma/error.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::Dataset;
using soma::FormatError;

std::vector<std::int32_t> row_of(const Dataset& data, std::int64_t row, bool labels) {
  std::vector<std::int32_t> indices(static_cast<std::size_t>(data.sample_shape()[0]));
  auto* to = reinterpret_cast<std::byte*>(indices.data());
  labels ? data.gather_target(0, {&row, 1}, to) : data.gather_input(0, {&row, 1}, to);
  return indices;
}

TEST(Windows, OverlapAsTheStrideSays) {
  const Dataset data = Dataset::windows("w", {0, 1, 2, 3, 2, 1, 0, 3}, 3, 2, {"a", "b", "c", "d"});
  ASSERT_EQ(data.size(), 3);
  EXPECT_EQ(data.sample_shape(), soma::Shape{3});
  EXPECT_EQ(data.inputs()[0].type, soma::DType::i32);
  EXPECT_EQ(data.target_shape(), soma::Shape{3});
  EXPECT_EQ(data.classes(), 4);
  EXPECT_EQ(row_of(data, 0, false), (std::vector<std::int32_t>{0, 1, 2}));
  EXPECT_EQ(row_of(data, 0, true), (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(row_of(data, 2, false), (std::vector<std::int32_t>{2, 1, 0}));
  EXPECT_EQ(row_of(data, 2, true), (std::vector<std::int32_t>{1, 0, 3}));
  EXPECT_NE(data.sha256(), data.head(2).sha256());
  EXPECT_THROW(Dataset::windows("w", {0, 1}, 2, 1, {"a", "b"}), soma::ShapeError);
  EXPECT_THROW(Dataset::windows("w", {0, 1, 2}, 1, 1, {"a", "b"}), soma::ShapeError);
  EXPECT_THROW(Dataset::windows("w", {0, 1}, 1, 0, {"a", "b"}), soma::ShapeError);
}

TEST(TextFile, IsReadAsWindowsOfItsBytes) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 20; ++i)
    text +=
        "ab\n\xc3"
        "b";
  write_all(folder / "t.txt", text);
  const auto data = soma::data::load("text:" + (folder / "t.txt").string() + "?context=4&stride=5");
  EXPECT_EQ(data.train.class_names(), (std::vector<std::string>{"\\n", "a", "b", "\\xc3"}));
  EXPECT_EQ(data.train.size(), 18);
  EXPECT_EQ(data.test.size(), 2);
  for (std::int64_t row = 0; row < data.train.size(); ++row) {
    EXPECT_EQ(row_of(data.train, row, false), (std::vector<std::int32_t>{1, 2, 0, 3}));
    EXPECT_EQ(row_of(data.train, row, true), (std::vector<std::int32_t>{2, 0, 3, 2}));
  }
}

TEST(TextFileErrors, SayWhatWasFound) {
  const TemporaryFolder folder;
  const std::string file = (folder / "t.txt").string(), spec = "text:" + file;
  const auto message = [&](const std::string& s) {
    return message_of<FormatError>([&] { soma::data::load(s); });
  };
  EXPECT_EQ(message(spec), "data '" + spec + "': cannot read " + file);
  write_all(folder / "t.txt", "too short");
  EXPECT_EQ(message(spec + "?context=4"),
            file + ": expected 50 bytes or more for a context of 4, found 9");
  EXPECT_EQ(message(spec + "?context=none"), "data '" + spec +
                                                 "?context=none': context: expected a positive "
                                                 "integer, found \"none\"");
  EXPECT_EQ(message(spec + "?length=4"), "data '" + spec +
                                             "?length=4': expected the options context and "
                                             "stride, found \"length\"");
}

TEST(TinyShakespeare, Has65Characters) {
  const char* folder = std::getenv("SOMA_DATA");
  if (folder == nullptr ||
      !std::filesystem::exists(std::filesystem::path(folder) / "tinyshakespeare/input.txt")) {
    GTEST_SKIP() << "SOMA_DATA has no tinyshakespeare";
  }
  const auto data = soma::data::load("tinyshakespeare");
  EXPECT_EQ(data.train.classes(), 65);
  EXPECT_EQ(data.train.size(), 15'685);
  EXPECT_EQ(data.test.size(), 1'742);
  EXPECT_EQ(soma::data::load("tinyshakespeare?context=128&stride=1").train.size(), 1'003'727);
}

}  // namespace
