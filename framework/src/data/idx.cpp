#include "data/idx.hpp"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "soma/error.hpp"

namespace soma::data {

namespace fs = std::filesystem;

namespace {

constexpr std::array kNames = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                               "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"};
constexpr std::uint32_t kImages = 0x00000803, kLabels = 0x00000801;  // unsigned bytes, rank 3 or 1

/// The file of that name in the folder, plain or ".gz"; empty if there is none.
fs::path find(const fs::path& folder, const std::string& name) {
  for (const char* ending : {"", ".gz"}) {
    const fs::path file = folder / (name + ending);
    std::error_code ignored;
    if (fs::is_regular_file(file, ignored)) return file;
  }
  return {};
}

/// Bytes of one file, unpacked if its content is gzip's.
class Reader {
 public:
  explicit Reader(const fs::path& file) : name_(file.string()), file_(gzopen(file.c_str(), "rb")) {
    if (file_ == nullptr) fail(std::generic_category().message(errno));
    gzbuffer(file_.get(), 1 << 18);
  }

  [[noreturn]] void fail(const std::string& problem) const {
    throw FormatError(name_ + ": " + problem);
  }

  /// Exactly `size` bytes, `what` in words. Grows with what is there, so that a wrong size in a
  /// short file takes no memory.
  std::vector<std::uint8_t> read(std::uint64_t size, const char* what) {
    constexpr std::uint64_t kPiece = 1 << 26;
    std::vector<std::uint8_t> bytes;
    while (bytes.size() < size) {
      const std::size_t old = bytes.size();
      const auto piece = static_cast<unsigned>(std::min(size - old, kPiece));
      if (old + piece > bytes.capacity()) {
        bytes.reserve(std::min(size, std::max<std::uint64_t>(2 * old, kPiece)));
      }
      bytes.resize(old + piece);
      const int got = gzread(file_.get(), bytes.data() + old, piece);
      check();
      if (std::cmp_less(got, piece)) {
        fail("truncated: expected " + std::to_string(size) + " bytes of " + what + ", found " +
             std::to_string(old + static_cast<std::size_t>(std::max(got, 0))));
      }
    }
    return bytes;
  }

  std::uint32_t number(const char* what) {
    const auto b = read(4, what);
    return std::uint32_t{b[0]} << 24 | std::uint32_t{b[1]} << 16 | std::uint32_t{b[2]} << 8 | b[3];
  }

  void end() {
    char extra;
    const int got = gzread(file_.get(), &extra, 1);
    check();  // gzip's checksum is read and compared here
    if (got > 0) fail("expected the end of the file behind the last element, found more bytes");
  }

 private:
  void check() const {
    int code = Z_OK;
    const char* text = gzerror(file_.get(), &code);
    if (code == Z_BUF_ERROR) fail("truncated: expected more of the compressed data, found its end");
    if (code == Z_ERRNO) fail(std::generic_category().message(errno));
    if (code < 0) fail(std::string("damaged gzip data: ") + text);
  }

  struct Close {
    void operator()(gzFile_s* file) const noexcept { gzclose_r(file); }
  };
  std::string name_;
  std::unique_ptr<gzFile_s, Close> file_;
};

std::string hex(std::uint32_t value) {
  std::string text = "0x";
  for (int shift = 28; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return text;
}

void expect_magic(Reader& reader, std::uint32_t expected, const char* what) {
  const std::uint32_t magic = reader.number("magic number");
  if (magic != expected) {
    reader.fail("expected the magic number " + hex(expected) + " of IDX " + what + ", found " +
                hex(magic));
  }
}

struct Images {
  Shape sample;
  std::int64_t count = 0;
  std::vector<std::uint8_t> pixels;
};

Images read_images(const fs::path& file) {
  Reader reader(file);
  expect_magic(reader, kImages, "images");
  const std::uint64_t count = reader.number("header"), rows = reader.number("header"),
                      columns = reader.number("header");
  constexpr std::uint64_t kMost = 1 << 16;  // of rows and columns: keeps products within 64 bits
  if (count == 0 || rows == 0 || columns == 0 || rows > kMost || columns > kMost ||
      count > INT32_MAX) {
    reader.fail("expected images of 1x1 to 65536x65536 pixels, found " + std::to_string(count) +
                " of " + std::to_string(rows) + "x" + std::to_string(columns));
  }
  Images images{{static_cast<std::int64_t>(rows), static_cast<std::int64_t>(columns), 1},
                static_cast<std::int64_t>(count),
                reader.read(count * rows * columns, "pixels")};
  reader.end();
  return images;
}

std::vector<std::int32_t> read_labels(const fs::path& file, std::int64_t images,
                                      const fs::path& image_file) {
  Reader reader(file);
  expect_magic(reader, kLabels, "labels");
  const std::uint32_t count = reader.number("header");
  if (std::cmp_not_equal(count, images)) {
    reader.fail("expected " + std::to_string(images) + " labels for the images of " +
                image_file.string() + ", found " + std::to_string(count));
  }
  const auto bytes = reader.read(count, "labels");
  reader.end();
  return {bytes.begin(), bytes.end()};
}

void check_labels(const fs::path& file, const std::vector<std::int32_t>& labels,
                  std::int32_t classes) {
  const auto outside =
      std::ranges::find_if(labels, [&](std::int32_t label) { return label >= classes; });
  if (outside == labels.end()) return;
  throw FormatError(file.string() + ": label of image " + std::to_string(outside - labels.begin()) +
                    ": expected a class of 0 to " + std::to_string(classes - 1) + ", found " +
                    std::to_string(*outside));
}

}  // namespace

bool has_idx(const fs::path& folder) {
  return std::ranges::none_of(kNames, [&](const char* n) { return find(folder, n).empty(); });
}

DataSplit load_idx(const std::string& name, const fs::path& folder, std::int32_t classes,
                   const std::string& hint) {
  std::array<fs::path, 4> files;
  std::string missing;
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i] = find(folder, kNames[i]);
    if (files[i].empty()) missing += (missing.empty() ? "" : ", ") + std::string(kNames[i]);
  }
  if (!missing.empty()) {
    throw FormatError("data '" + name + "': expected the IDX files (plain or .gz) in " +
                      folder.string() + ", found no " + missing + hint +
                      "; the built-in data set 'glyphs' needs no download");
  }

  Images train = read_images(files[0]);
  auto train_labels = read_labels(files[1], train.count, files[0]);
  Images test = read_images(files[2]);
  auto test_labels = read_labels(files[3], test.count, files[2]);
  if (test.sample != train.sample) {
    throw FormatError(files[2].string() + ": expected images of " + train.sample.str() + " as in " +
                      files[0].string() + ", found " + test.sample.str());
  }
  if (classes == 0) classes = 1 + *std::ranges::max_element(train_labels);
  check_labels(files[1], train_labels, classes);
  check_labels(files[3], test_labels, classes);
  std::vector<std::string> class_names;
  for (std::int32_t i = 0; i < classes; ++i) class_names.push_back(std::to_string(i));
  return {
      Dataset(name, train.sample, std::move(train.pixels), std::move(train_labels), class_names),
      Dataset(name, test.sample, std::move(test.pixels), std::move(test_labels), class_names)};
}

}  // namespace soma::data
