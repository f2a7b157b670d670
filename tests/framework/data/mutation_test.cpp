// Damaged files of every form: each is read, or refused with one sentence that names it. How many
// of each form is in SOMA_MUTATIONS (default 300); a build with -DSOMA_SANITIZE=address,undefined
// sees what does not crash by luck.
#include "mutation.hpp"

#include <gtest/gtest.h>
#include <png.h>
#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <optional>

#include "packed.hpp"
#include "soma/dataset.hpp"
#include "soma/error.hpp"
#include "temporary_folder.hpp"

namespace {

std::string little(std::uint64_t n, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(n >> 8 * i);
  return text;
}

std::string csv() {
  std::string text = "id,\"Name, \"\"full\"\"\",age,city,day,y\r\n";
  for (int i = 0; i < 20; ++i) {
    text += std::to_string(i + 1) + ",\"Jo\n" + std::to_string(i) + "\"," +
            (i % 5 == 0 ? "" : std::to_string(20 + i)) + ".5e0," +
            (i % 2 == 0 ? "K\xc3\xb6ln" : "Ulm") + ",2024-02-0" + std::to_string(1 + i % 9) + "," +
            (i % 3 == 0 ? "yes" : "no") + "\r\n";
  }
  return text;
}

std::string series() {
  std::string text = "t,v\n";
  for (int i = 0; i < 60; ++i) text += std::to_string(i) + "," + std::to_string(i * i % 17) + "\n";
  return text;
}

std::string npy(const std::string& type, const std::string& shape, const std::string& data) {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.resize(117, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\0", 8) + little(header.size(), 2) + header + data;
}

/// One stored and one deflated entry.
std::string npz() {
  const std::string files[] = {
      npy("|u1", "8, 2, 2, 1", std::string(32, '\x40')),
      npy("<i4", "8",
          std::string(16, '\0') + little(1, 4) + little(2, 4) + little(1, 4) + little(0, 4))};
  const char* names[] = {"x.npy", "y.npy"};
  std::string archive, directory;
  for (std::size_t i = 0; i < 2; ++i) {
    std::string data = files[i];
    if (i == 1) data = packed(data, -MAX_WBITS);
    const auto crc = crc32(0, reinterpret_cast<const Bytef*>(files[i].data()),
                           static_cast<uInt>(files[i].size()));
    const std::string common = little(0, 2) + little(i == 1 ? 8 : 0, 2) + little(0, 4) +
                               little(crc, 4) + little(data.size(), 4) +
                               little(files[i].size(), 4) + little(5, 2) + little(0, 2);
    directory += "PK\1\2" + little(20, 2) + little(20, 2) + common + std::string(10, '\0') +
                 little(archive.size(), 4) + names[i];
    archive += "PK\3\4" + little(20, 2) + common + names[i] + data;
  }
  const std::size_t begin = archive.size();
  return archive + directory + "PK\5\6" + little(0, 4) + little(2, 2) + little(2, 2) +
         little(directory.size(), 4) + little(begin, 4) + little(0, 2);
}

std::string png() {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.height = image.width = 8;
  image.format = PNG_FORMAT_RGBA;
  std::string pixels;
  for (int i = 0; i < 256; ++i) pixels += static_cast<char>(i * 37);
  png_alloc_size_t size = 0;
  png_image_write_to_memory(&image, nullptr, &size, 0, pixels.data(), 0, nullptr);
  std::string bytes(size, '\0');
  png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels.data(), 0, nullptr);
  bytes.resize(size);
  return bytes;
}

/// Two records of CIFAR-10.
std::string cifar() {
  std::string bytes(2 * 3073, '\x55');
  bytes[3073] = '\3';
  bytes[0] = '\1';
  return bytes;
}

std::string idx_labels() { return std::string("\0\0\x08\x01\0\0\0\x02\0\x01", 10); }

std::string idx_images() {
  return std::string("\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x02", 16) + "abcdefgh";
}

struct Form {
  const char* name;
  std::function<std::string()> good;
  std::string file, spec;  // relative to the folder; FOLDER stands for it
};
void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

/// Where sets with names are looked for while it lives.
class NamedSetsIn {
 public:
  explicit NamedSetsIn(const std::filesystem::path& folder) {
    if (const char* before = std::getenv("SOMA_DATA")) before_ = before;
    ::setenv("SOMA_DATA", folder.c_str(), 1);
  }
  ~NamedSetsIn() { before_ ? ::setenv("SOMA_DATA", before_->c_str(), 1) : ::unsetenv("SOMA_DATA"); }
  NamedSetsIn(const NamedSetsIn&) = delete;
  NamedSetsIn& operator=(const NamedSetsIn&) = delete;

 private:
  std::optional<std::string> before_;
};

/// Damages the file in every way and reads it.
void damage(const char* form, const TemporaryFolder& folder, const std::string& name,
            const std::string& good, const std::function<void()>& read) {
  const std::filesystem::path file = folder / name;
  write_all(file, good);
  ASSERT_NO_THROW(read());
  int refused = 0;
  for (int i = 0; i < mutations(); ++i) {
    write_all(file, damaged(good, i));
    try {
      read();
    } catch (const soma::FormatError& error) {
      ++refused;
      const std::string text = error.what();
      EXPECT_TRUE(text.find(folder.path().string()) != std::string::npos) << i << ": " << text;
      EXPECT_EQ(text.find('\n'), std::string::npos) << i << ": " << text;
    } catch (const std::exception& error) {
      ADD_FAILURE() << form << ", mutation " << i << ": not a FormatError: " << error.what();
    }
  }
  std::printf("%s: %d damaged files, %d refused\n", form, mutations(), refused);
  EXPECT_GT(refused, 0);
}

class DamagedFiles : public testing::TestWithParam<Form> {};

TEST_P(DamagedFiles, AreReadOrRefusedInOneSentence) {
  const Form& form = GetParam();
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "images/a");
  std::filesystem::create_directories(folder / "images/b");
  for (const char* name :
       {"images/a/1.png", "images/a/2.png", "images/b/1.png", "images/b/2.png"}) {
    write_all(folder / name, png());
  }
  for (const char* part : {"train", "t10k"}) {
    write_all(folder / (std::string(part) + "-images-idx3-ubyte"), idx_images());
    write_all(folder / (std::string(part) + "-labels-idx1-ubyte"), idx_labels());
  }
  std::filesystem::create_directories(folder / "cifar10");
  for (const char* part : {"data_batch_1", "test_batch"}) {
    write_all(folder / (std::string("cifar10/") + part + ".bin"), cifar());
  }
  const NamedSetsIn named(folder.path());
  write_all(folder / "y.npy", npy("<f4", "4, 1", std::string(16, '\1')));
  std::string spec = form.spec;
  for (std::size_t at; (at = spec.find("FOLDER")) != std::string::npos;) {
    spec.replace(at, 6, folder.path().string());
  }
  damage(form.name, folder, form.file, form.good(), [&] { soma::data::load(spec).train.sha256(); });
}

TEST(DamagedRecords, AreReadOrRefusedInOneSentence) {
  const TemporaryFolder folder;
  write_all(folder / "t.csv", csv());
  const auto format = soma::data::load((folder / "t.csv").string()).train.record_format();
  const std::filesystem::path file = folder / "new.csv";
  damage("records", folder, "new.csv", csv(),
         [&] { soma::data::read_records(read_all(file), file.string(), format); });
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedFiles,
    testing::Values(Form{"csv", csv, "t.csv", "csv:FOLDER/t.csv"},
                    Form{"csv_numbers", csv, "t.csv", "csv:FOLDER/t.csv?target=age"},
                    Form{"series", series, "t.csv", "series:FOLDER/t.csv?window=3"},
                    Form{"npz", npz, "a.npz", "npz:FOLDER/a.npz"},
                    Form{"npy", [] { return npy("<f8", "4, 2", std::string(64, '\x41')); }, "x.npy",
                         "npy:FOLDER/x.npy?y=FOLDER/y.npy"},
                    Form{"png", png, "images/a/1.png", "images:FOLDER/images?test=0.5"},
                    Form{"idx", idx_images, "train-images-idx3-ubyte", "idx:FOLDER"},
                    Form{"idx_labels", idx_labels, "t10k-labels-idx1-ubyte", "idx:FOLDER"},
                    Form{"cifar10", cifar, "cifar10/test_batch.bin", "cifar10"},
                    Form{"gzip", [] { return packed(csv(), MAX_WBITS + 16); }, "t.csv.gz",
                         "csv:FOLDER/t.csv.gz"},
                    Form{"text", csv, "t.txt", "text:FOLDER/t.txt?context=2"}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
