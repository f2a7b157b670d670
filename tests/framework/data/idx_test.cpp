#include <gtest/gtest.h>
#include <zlib.h>

#include <functional>

#include "soma/dataset.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::FormatError;

constexpr const char* kTrainImages = "train-images-idx3-ubyte";
constexpr const char* kTrainLabels = "train-labels-idx1-ubyte";
constexpr const char* kTestImages = "t10k-images-idx3-ubyte";
constexpr const char* kTestLabels = "t10k-labels-idx1-ubyte";

std::string big_endian(std::uint32_t n) {
  return {static_cast<char>(n >> 24), static_cast<char>(n >> 16), static_cast<char>(n >> 8),
          static_cast<char>(n)};
}

std::string images(std::uint32_t n, std::uint32_t rows = 2, std::uint32_t columns = 3) {
  std::string file = big_endian(0x803) + big_endian(n) + big_endian(rows) + big_endian(columns);
  for (std::uint32_t i = 0; i < n * rows * columns; ++i) file += static_cast<char>(i * 5);
  return file;
}

std::string labels(const std::string& values) {
  return big_endian(0x801) + big_endian(static_cast<std::uint32_t>(values.size())) + values;
}

void write_gz(const std::filesystem::path& file, const std::string& bytes) {
  const gzFile gz = gzopen(file.c_str(), "wb");
  gzwrite(gz, bytes.data(), static_cast<unsigned>(bytes.size()));
  gzclose(gz);
}

/// A folder with four small good files.
class IdxFolder : public TemporaryFolder {
 public:
  IdxFolder() {
    write_all(*this / kTrainImages, images(4));
    write_all(*this / kTrainLabels, labels({0, 2, 1, 0}));
    write_all(*this / kTestImages, images(2));
    write_all(*this / kTestLabels, labels({1, 2}));
  }
  soma::DataSplit load() const { return soma::data::load("idx:" + path().string()); }
  std::string error() const {
    return message_of<FormatError>([&] { load(); });
  }
};

TEST(Idx, ReadsFourFiles) {
  const auto data = IdxFolder().load();
  EXPECT_EQ(data.train.size(), 4);
  EXPECT_EQ(data.test.size(), 2);
  EXPECT_EQ(data.train.sample_shape(), (soma::Shape{2, 3, 1}));
  EXPECT_EQ(data.train.classes(), 3);
  EXPECT_EQ(data.test.classes(), 3);
  std::vector<float> pixels(6);
  const std::int64_t row = 1;
  data.train.gather_inputs({&row, 1}, pixels.data());
  EXPECT_EQ(pixels[0], 30 / 255.0f);
  std::int32_t label = -1;
  data.train.gather_labels({&row, 1}, &label);
  EXPECT_EQ(label, 2);
}

TEST(Idx, ReadsGzipByContent) {
  IdxFolder folder;
  const std::string hash = folder.load().train.sha256();
  write_gz(folder / kTrainImages, images(4));  // compressed, though its name does not say so
  EXPECT_EQ(folder.load().train.sha256(), hash);
  std::filesystem::rename(folder / kTrainImages, folder / (std::string(kTrainImages) + ".gz"));
  EXPECT_EQ(folder.load().train.sha256(), hash);
  write_all(folder / (std::string(kTrainImages) + ".gz"), images(4));  // and the other way round
  EXPECT_EQ(folder.load().train.sha256(), hash);
}

TEST(IdxErrors, NameMissingFiles) {
  IdxFolder folder;
  std::filesystem::remove(folder / kTrainLabels);
  std::filesystem::remove(folder / kTestImages);
  EXPECT_EQ(folder.error(), "data 'idx:" + folder.path().string() +
                                "': expected the IDX files (plain or .gz) in " +
                                folder.path().string() +
                                ", found no train-labels-idx1-ubyte, t10k-images-idx3-ubyte; the "
                                "built-in data set 'glyphs' needs no download");
}

TEST(IdxErrors, RejectEveryTruncation) {
  IdxFolder folder;
  for (const char* name : {kTrainImages, kTrainLabels, kTestImages, kTestLabels}) {
    const std::string whole = read_all(folder / name);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      write_all(folder / name, whole.substr(0, n));
      const std::string error = folder.error();
      EXPECT_TRUE(error.starts_with((folder / name).string() + ": truncated: expected"))
          << n << ": " << error;
    }
    write_all(folder / name, whole + "x");
    EXPECT_EQ(folder.error(), (folder / name).string() +
                                  ": expected the end of the file behind the last element, found "
                                  "more bytes");
    write_all(folder / name, whole);
  }
}

TEST(IdxErrors, RejectEveryTruncationOfGzip) {
  IdxFolder folder;
  write_gz(folder / kTrainImages, images(4));
  const std::string whole = read_all(folder / kTrainImages);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    write_all(folder / kTrainImages, whole.substr(0, n));
    const std::string error = folder.error();
    EXPECT_TRUE(error.starts_with((folder / kTrainImages).string() + ": truncated: expected"))
        << n << ": " << error;
  }
}

TEST(IdxErrors, RejectDamagedGzip) {
  IdxFolder folder;
  write_gz(folder / kTrainImages, images(4));
  std::string bytes = read_all(folder / kTrainImages);
  bytes[bytes.size() - 8] = static_cast<char>(~bytes[bytes.size() - 8]);  // of the checksum
  write_all(folder / kTrainImages, bytes);
  EXPECT_TRUE(folder.error().starts_with((folder / kTrainImages).string() + ": damaged gzip data"))
      << folder.error();
}

struct BadFile {
  const char* name;
  std::string bytes, problem;
};

TEST(IdxErrors, SayFileExpectedAndFound) {
  const BadFile cases[] = {
      {kTrainImages, labels({0}),
       "expected the magic number 0x00000803 of IDX images, found 0x00000801"},
      {kTrainLabels, images(4),
       "expected the magic number 0x00000801 of IDX labels, found 0x00000803"},
      {kTestImages, "<html><body>not found</body></html>",
       "expected the magic number 0x00000803 of IDX images, found 0x3c68746d"},
      {kTrainImages, images(0), "expected images of 1x1 to 65536x65536 pixels, found 0 of 2x3"},
      {kTrainImages, big_endian(0x803) + big_endian(1) + big_endian(70000) + big_endian(70000),
       "expected images of 1x1 to 65536x65536 pixels, found 1 of 70000x70000"},
      {kTrainImages,
       big_endian(0x803) + big_endian(2000000000) + big_endian(60000) + big_endian(60000),
       "truncated: expected 7200000000000000000 bytes of pixels, found 0"},
      {kTrainLabels, labels({0, 1, 2}), "expected 4 labels for the images of @, found 3"},
      {kTestLabels, labels({0, 3}), "label of image 1: expected a class of 0 to 2, found 3"},
      {kTestImages, images(2, 3, 2), "expected images of [2,3,1] as in @, found [3,2,1]"},
  };
  for (const BadFile& c : cases) {
    IdxFolder folder;
    write_all(folder / c.name, c.bytes);
    std::string problem = c.problem;
    if (const auto at = problem.find('@'); at != problem.npos) {
      problem.replace(at, 1, (folder / kTrainImages).string());
    }
    EXPECT_EQ(folder.error(), (folder / c.name).string() + ": " + problem);
  }
}

}  // namespace
