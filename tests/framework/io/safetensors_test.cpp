#include "io/safetensors.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "soma/error.hpp"
#include "temporary_folder.hpp"

namespace {

using namespace soma::io;
using soma::FormatError;

const float kFloats[] = {1.5f, -2.0f, 3.25f, 0.0f, -0.0f, 1e-40f};
const double kDoubles[] = {1e300};
const std::int64_t kLongs[] = {-1, INT64_MAX};
const std::uint8_t kBytes[] = {1, 2, 3};

std::vector<TensorEntry> some_tensors() {
  const auto at = [](const auto& array) { return reinterpret_cast<const std::byte*>(array); };
  return {{"bytes", Element::u8, {3}, at(kBytes)},
          {"a.weight", Element::f32, {2, 3}, at(kFloats)},
          {"empty", Element::i32, {0, 7}, nullptr},
          {"scalar", Element::f64, {}, at(kDoubles)},
          {"longs", Element::i64, {2}, at(kLongs)}};
}

TEST(Safetensors, GivesBackWhatWasWritten) {
  const TemporaryFolder folder;
  const Metadata metadata = {{"model", "{\"name\": \"\xC3\xA9\\n\"}"}, {"empty", ""}};
  const auto tensors = some_tensors();
  write_safetensors(folder / "a", tensors, metadata);
  const SafetensorsReader reader(folder / "a");
  EXPECT_EQ(reader.metadata(), metadata);
  ASSERT_EQ(reader.tensors().size(), tensors.size());
  for (const TensorEntry& tensor : tensors) {
    const TensorEntry* found = reader.find(tensor.name);
    ASSERT_NE(found, nullptr) << tensor.name;
    EXPECT_EQ(found->element, tensor.element);
    EXPECT_EQ(found->shape, tensor.shape);
    if (tensor.bytes() == 0) continue;
    EXPECT_EQ(std::memcmp(found->data, tensor.data, tensor.bytes()), 0) << tensor.name;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(found->data) % size_bytes(found->element), 0u);
  }
  EXPECT_EQ(reader.find("none"), nullptr);
}

TEST(Safetensors, HoldsNoTensorsAtAll) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {}, {});
  EXPECT_TRUE(SafetensorsReader(folder / "a").tensors().empty());
}

TEST(Safetensors, MovesItsMapping) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", some_tensors(), {});
  SafetensorsReader one(folder / "a");
  SafetensorsReader two(std::move(one));
  one = std::move(two);
  EXPECT_EQ(std::memcmp(one.find("a.weight")->data, kFloats, sizeof kFloats), 0);
}

TEST(SafetensorsErrors, RejectNamesThatCannotBeWritten) {
  const TemporaryFolder folder;
  auto tensors = some_tensors();
  tensors[1].name = tensors[0].name;
  EXPECT_THROW(write_safetensors(folder / "a", tensors, {}), FormatError);
  tensors[1].name = "\xFF";
  EXPECT_THROW(write_safetensors(folder / "a", tensors, {}), FormatError);
  EXPECT_EQ(folder.files(), 0u);
}

std::string file_of(const std::string& header, std::size_t data) {
  std::string file(8, '\0');
  const std::uint64_t length = header.size();
  std::memcpy(file.data(), &length, 8);
  return file + header + std::string(data, '\1');
}

struct BadFile {
  const char* name;
  std::string bytes;
  const char* message;  // part of it
};

TEST(SafetensorsErrors, SayFilePlaceExpectedAndFound) {
  const auto one = [](const std::string& fields) {
    return file_of("{\"w\": {" + fields + "}}", 8);
  };
  const auto two = [](const std::string& a, const std::string& b) {
    const std::string rest = "{\"dtype\": \"U8\", \"shape\": [4], \"data_offsets\": ";
    return file_of("{\"a\": " + rest + a + "}, \"b\": " + rest + b + "}}", 8);
  };
  std::string long_header = file_of("{}", 0);
  long_header[7] = '\x7F';
  const BadFile cases[] = {
      {"empty", "", "expected at least 8 bytes, found 0"},
      {"short", "1234567", "expected at least 8 bytes, found 7"},
      {"length", long_header, "header: expected at most 2 bytes"},
      {"no object", file_of("[]", 0), "expected '{' as its first byte"},
      {"space first", file_of(" {}", 0), "expected '{' as its first byte"},
      {"no header", file_of("", 0), "expected '{' as its first byte"},
      {"not JSON", file_of("{\"w\": ", 0), "header:1: not JSON"},
      {"zero padded", file_of(std::string("{}\0", 3), 0), "a zero byte"},
      {"stray data", file_of("{}", 3), "expected 0 bytes of tensors, found 3"},
      {"metadata", file_of("{\"__metadata__\": {\"a\": 1}}", 0),
       "__metadata__.a: expected a string"},
      {"metadata kind", file_of("{\"__metadata__\": 5}", 0), "__metadata__: expected an object"},
      {"not a tensor", file_of("{\"w\": 5}", 0), "tensor 'w': expected an object, found 5"},
      {"field missing", one(R"("dtype": "F32", "shape": [2])"), "a field data_offsets, found none"},
      {"field unknown", one(R"("dtype": "F32", "shape": [2], "data_offsets": [0, 8], "x": 1)"),
       "found 'x'"},
      {"field twice",
       one(R"("dtype": "F32", "dtype": "F64", "shape": [1], "data_offsets": [0, 8])"),
       "\"dtype\" appears twice"},
      {"dtype", one(R"("dtype": "BF16", "shape": [4], "data_offsets": [0, 8])"),
       "dtype: expected F32, F64, I32, I64 or U8, found \"BF16\""},
      {"dtype kind", one(R"("dtype": 5, "shape": [4], "data_offsets": [0, 8])"), "found 5"},
      {"shape kind", one(R"("dtype": "F32", "shape": 2, "data_offsets": [0, 8])"),
       "shape: expected an array"},
      {"shape negative", one(R"("dtype": "F32", "shape": [-2], "data_offsets": [0, 8])"),
       "shape: expected a whole number >= 0, found -2"},
      {"shape fraction", one(R"("dtype": "F32", "shape": [2.0], "data_offsets": [0, 8])"),
       "found 2.0"},
      {"shape overflow",
       one(R"("dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8])"),
       "does not fit 64 bits"},
      {"shape huge",
       one(R"("dtype": "U8", "shape": [18446744073709551615], "data_offsets": [0, 8])"),
       "does not fit 64 bits"},
      {"size", one(R"("dtype": "F32", "shape": [3], "data_offsets": [0, 8])"),
       "expected 12 bytes for its shape, found 8"},
      {"offsets kind", one(R"("dtype": "F32", "shape": [2], "data_offsets": [0])"),
       "expected two numbers"},
      {"offsets reversed", one(R"("dtype": "F32", "shape": [2], "data_offsets": [8, 0])"),
       "found [8,0]"},
      {"offsets outside", one(R"("dtype": "F32", "shape": [2], "data_offsets": [4, 12])"),
       "expected a range within [0,8], found [4,12]"},
      {"overlap", two("[0, 4]", "[2, 6]"),
       "'b': expected to begin at byte 4, found 2, which overlaps"},
      {"same place", two("[4, 8]", "[4, 8]"), "expected to begin at byte 0, found 4"},
      {"gap", one(R"("dtype": "U8", "shape": [4], "data_offsets": [4, 8])"), "which leaves a gap"},
      {"rest", one(R"("dtype": "U8", "shape": [4], "data_offsets": [0, 4])"),
       "expected 4 bytes of tensors, found 8"},
  };
  const TemporaryFolder folder;
  for (const BadFile& c : cases) {
    write_all(folder / "bad", c.bytes);
    const std::string message =
        message_of<FormatError>([&] { SafetensorsReader reader(folder / "bad"); });
    EXPECT_NE(message.find(c.message), message.npos) << c.name << ": " << message;
    EXPECT_NE(message.find((folder / "bad").string()), message.npos) << c.name << ": " << message;
  }
}

TEST(SafetensorsErrors, NameMissingFilesAndFolders) {
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<FormatError>([&] { SafetensorsReader reader(folder / "none"); }),
            "cannot read " + (folder / "none").string() + ": No such file or directory");
  EXPECT_EQ(message_of<FormatError>([&] { SafetensorsReader reader(folder.path()); }),
            "cannot read " + folder.path().string() + ": not a regular file");
}

TEST(SafetensorsErrors, RejectEveryTruncation) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", some_tensors(), {{"key", "text"}});
  const std::string bytes = read_all(folder / "a");
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    write_all(folder / "cut", std::string_view(bytes).substr(0, n));
    EXPECT_THROW(SafetensorsReader(folder / "cut"), FormatError) << n;
  }
  write_all(folder / "longer", bytes + "x");
  EXPECT_THROW(SafetensorsReader(folder / "longer"), FormatError);
}

TEST(SafetensorsErrors, NeverCrashOnChangedBytes) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", some_tensors(), {{"key", "text"}});
  const std::string bytes = read_all(folder / "a");
  std::uint64_t state = 1;
  const auto random = [&](std::uint64_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % below;
  };
  int accepted = 0;
  for (int round = 0; round < 500; ++round) {
    std::string changed = bytes;
    for (std::uint64_t i = 0; i <= random(3); ++i) {
      changed[random(changed.size())] = "\"{}[],:0919-e.\\\0\xFF"[random(17)];
    }
    write_all(folder / "changed", changed);
    try {
      const SafetensorsReader reader(folder / "changed");
      std::size_t sum = 0;
      for (const TensorEntry& t : reader.tensors()) {
        for (std::size_t i = 0; i < t.bytes(); ++i) sum += static_cast<std::size_t>(t.data[i]);
      }
      accepted += sum > 0;
    } catch (const FormatError&) {
    }
  }
  EXPECT_GT(accepted, 0);  // bytes of the tensors may be anything
}

}  // namespace
