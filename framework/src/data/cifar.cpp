#include "data/cifar.hpp"

#include <cstdint>
#include <vector>

#include "data/file_text.hpp"
#include "soma/error.hpp"

namespace soma::data {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kSide = 32, kPlane = kSide * kSide, kRecord = 1 + 3 * kPlane;
constexpr const char* kTest = "test_batch.bin";

const std::vector<std::string>& class_names() {
  static const std::vector<std::string> names = {
      "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  return names;
}

fs::path find(const fs::path& folder, const std::string& name) {
  for (const char* ending : {"", ".gz"}) {
    std::error_code ignored;
    if (fs::is_regular_file(folder / (name + ending), ignored)) return folder / (name + ending);
  }
  return {};
}

std::vector<fs::path> training_files(const fs::path& folder) {
  std::vector<fs::path> files;
  for (int batch = 1; batch <= 5; ++batch) {
    const fs::path file = find(folder, "data_batch_" + std::to_string(batch) + ".bin");
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

struct Images {
  std::vector<std::uint8_t> pixels;
  std::vector<std::int32_t> labels;
};

/// Appends the records of one file; planes of red, green and blue become pixels.
void read(const fs::path& file, Images& to) {
  const std::string bytes = read_bytes(file);
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (size == 0 || size % kRecord != 0) {
    throw FormatError(file.string() + ": expected records of " + std::to_string(kRecord) +
                      " bytes, a label and 32x32 red, green and blue, found " +
                      std::to_string(size) + " bytes");
  }
  to.pixels.reserve(to.pixels.size() + bytes.size());
  for (std::int64_t at = 0; at < size; at += kRecord) {
    const auto* record = reinterpret_cast<const std::uint8_t*>(bytes.data()) + at;
    if (record[0] >= class_names().size()) {
      throw FormatError(file.string() + ": offset " + std::to_string(at) +
                        ": expected a label of 0 to 9, found " + std::to_string(record[0]));
    }
    to.labels.push_back(record[0]);
    for (std::int64_t p = 1; p <= kPlane; ++p) {
      for (std::int64_t plane = 0; plane < 3; ++plane)
        to.pixels.push_back(record[p + plane * kPlane]);
    }
  }
}

Dataset dataset(const std::string& name, Images images) {
  return {name, Shape{kSide, kSide, 3}, std::move(images.pixels), std::move(images.labels),
          class_names()};
}

}  // namespace

bool has_cifar10(const fs::path& folder) {
  return !training_files(folder).empty() && !find(folder, kTest).empty();
}

DataSplit load_cifar10(const std::string& name, const fs::path& folder, const std::string& hint) {
  if (!has_cifar10(folder)) {
    throw FormatError("data '" + name + "': expected data_batch_1.bin or others up to 5 and " +
                      kTest + " (plain or .gz) in " + folder.string() + ", found " +
                      (training_files(folder).empty() ? "no training file" : "no test file") +
                      hint);
  }
  Images train, test;
  for (const fs::path& file : training_files(folder)) read(file, train);
  read(find(folder, kTest), test);
  return {dataset(name, std::move(train)), dataset(name, std::move(test))};
}

}  // namespace soma::data
