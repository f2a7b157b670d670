// Images, arrays, CIFAR-10 and time series from files that the tests write themselves.
#include <gtest/gtest.h>
#include <png.h>
#include <zlib.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "packed.hpp"
#include "soma/dataset.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::Dataset;
using soma::DataSplit;
using soma::FormatError;
using soma::Shape;
using Strings = std::vector<std::string>;

std::vector<float> row_of(const Dataset& data, std::int64_t row) {
  std::vector<float> values(static_cast<std::size_t>(data.sample_shape().elements()));
  data.gather_inputs({&row, 1}, values.data());
  return values;
}

std::vector<std::int32_t> labels_of(const Dataset& data) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(data.size()));
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<std::int32_t> labels(rows.size());
  data.gather_labels(rows, labels.data());
  return labels;
}

float target_of(const Dataset& data, std::int64_t row) {
  float value = 0;
  data.gather_targets({&row, 1}, &value);
  return value;
}

std::string problem_of(const std::string& spec, const TemporaryFolder& folder) {
  std::string text = message_of<FormatError>([&] { soma::data::load(spec); });
  const std::string path = folder.path().string() + "/";
  for (std::size_t at; (at = text.find(path)) != std::string::npos;)
    text.replace(at, path.size(), "");
  return text;
}

std::string little(std::uint64_t n, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(n >> 8 * i);
  return text;
}

template <class T>
std::string raw(std::vector<T> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}

std::string npy(const std::string& type, const std::string& shape, const std::string& data,
                const std::string& order = "False") {
  std::string header =
      "{'descr': '" + type + "', 'fortran_order': " + order + ", 'shape': (" + shape + "), }";
  header.resize((header.size() + 10 + 1 + 63) / 64 * 64 - 11, ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\0", 8) + little(header.size(), 2) + header + data;
}

/// A ZIP archive of files in memory, every other one deflated.
std::string zip(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string archive, directory;
  int number = 0;
  for (const auto& [name, content] : files) {
    const bool packs = number++ % 2 == 1;
    const std::string data = packs ? packed(content, -MAX_WBITS) : content;
    const auto crc =
        crc32(0, reinterpret_cast<const Bytef*>(content.data()), static_cast<uInt>(content.size()));
    const std::string common = little(0, 2) + little(packs ? 8 : 0, 2) + little(0, 4) +
                               little(crc, 4) + little(data.size(), 4) + little(content.size(), 4) +
                               little(name.size(), 2) + little(0, 2);
    directory += "PK\1\2" + little(20, 2) + little(20, 2) + common + little(0, 2) + little(0, 2) +
                 little(0, 2) + little(0, 4) + little(archive.size(), 4) + name;
    archive += "PK\3\4" + little(20, 2) + common + name + data;
  }
  const std::size_t begin = archive.size();
  return archive + directory + "PK\5\6" + little(0, 4) + little(files.size(), 2) +
         little(files.size(), 2) + little(directory.size(), 4) + little(begin, 4) + little(0, 2);
}

TEST(Npz, HasSamplesAndTargets) {
  const TemporaryFolder folder;
  std::vector<std::uint8_t> pixels(10 * 4);
  std::iota(pixels.begin(), pixels.end(), std::uint8_t{0});
  write_all(folder / "a.npz",
            zip({{"x_train.npy", npy("|u1", "10, 2, 2, 1", raw(pixels))},
                 {"y_train.npy",
                  npy("<i8", "10,", raw(std::vector<std::int64_t>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0}))},
                 {"x_test.npy",
                  npy("|u1", "1, 2, 2, 1", raw(std::vector<std::uint8_t>{255, 0, 51, 102}))},
                 {"y_test.npy", npy("|u1", "1, 1", raw(std::vector<std::uint8_t>{1}))}}));
  const DataSplit data = soma::data::load((folder / "a.npz").string());
  EXPECT_EQ(data.train.size(), 10);
  EXPECT_EQ(data.train.sample_shape(), (Shape{2, 2, 1}));
  EXPECT_EQ(data.train.class_names(), (Strings{"0", "1", "2"}));
  EXPECT_EQ(labels_of(data.train)[2], 2);
  EXPECT_EQ(row_of(data.test, 0), (std::vector<float>{1, 0, 0.2f, 0.4f}));
}

TEST(Npz, TakesFloatsOfBothOrdersAndSplits) {
  const TemporaryFolder folder;
  std::vector<double> x;
  std::string swapped;
  for (int i = 0; i < 20; ++i) {
    x.push_back(i);
    x.push_back(-i);
    const float y = static_cast<float>(i) / 2;
    std::string bytes = raw(std::vector<float>{y});
    swapped.append(bytes.rbegin(), bytes.rend());
  }
  write_all(folder / "a.npz", zip({{"data.npy", npy("<f8", "20, 2", raw(x))},
                                   {"speed.npy", npy(">f4", "20", swapped)}}));
  const std::string spec = "npz:" + (folder / "a.npz").string() + "?y=speed&split=ordered";
  const DataSplit data = soma::data::load(spec + "&test=0.25&validation=0.25");
  EXPECT_EQ(data.train.size(), 10);
  EXPECT_EQ(data.validation.size(), 5);
  EXPECT_EQ(row_of(data.test, 0), (std::vector<float>{15, -15}));
  EXPECT_EQ(target_of(data.test, 0), 7.5f);
  write_all(folder / "x.npy", npy("<f8", "20, 2", raw(x)));
  write_all(folder / "y.npy", npy(">f4", "20, 1", swapped));
  const DataSplit plain = soma::data::load("npy:" + (folder / "x.npy").string() +
                                           "?y=" + (folder / "y.npy").string() + "&split=ordered");
  EXPECT_EQ(target_of(plain.train, 3), 1.5f);
}

TEST(NpzErrors, NameThePlace) {
  const TemporaryFolder folder;
  const std::string spec = "npz:" + (folder / "a.npz").string();
  const std::string x = npy("<f4", "2, 1", raw(std::vector<float>{1, 2})),
                    y = npy("<i4", "2", raw(std::vector<std::int32_t>{0, 1}));
  const auto problem = [&](const std::string& bytes) {
    write_all(folder / "a.npz", bytes);
    return problem_of(spec, folder);
  };
  const std::string good = zip({{"x.npy", x}, {"y.npy", y}});
  EXPECT_EQ(problem("text"),
            "a.npz: expected a ZIP archive, as .npz files are, found no end of its directory");
  std::string damaged = good;
  damaged[damaged.find("NUMPY") + 120] ^= 1;  // within x's numbers
  EXPECT_EQ(problem(damaged),
            "a.npz: offset 35: 'x.npy': its checksum differs: the file is damaged");
  EXPECT_EQ(problem(zip({{"x.npy", x}})), "a.npz: expected an array called y_train, found x");
  EXPECT_EQ(
      problem(zip({{"x.npy", npy("<f4", "2, 2", raw(std::vector<float>{1, 2}))}, {"y.npy", y}})),
      "a.npz: x.npy: offset 128: expected 16 bytes for an array [2,2], found 8");
  EXPECT_EQ(problem(zip({{"x.npy", npy("<c8", "1, 1", std::string(8, ' '))}, {"y.npy", y}})),
            "a.npz: x.npy: offset 10: expected an array of floats of 32 or 64 bits, integers or "
            "bools, found '<c8'");
  EXPECT_EQ(problem(zip({{"x.npy", npy("<f4", "2, 1", raw(std::vector<float>{1, 2}), "True")},
                         {"y.npy", y}})),
            "a.npz: x.npy: offset 10: expected an array in C order, found one in Fortran's; save "
            "np.ascontiguousarray(array)");
  EXPECT_EQ(problem(zip(
                {{"x.npy", x}, {"y.npy", npy("<i4", "2", raw(std::vector<std::int32_t>{0, -1}))}})),
            "a.npz: y.npy: expected classes from 0 to 100000, found -1");
  EXPECT_EQ(
      problem(zip(
          {{"x.npy", x},
           {"y.npy", npy("<i8", "2", raw(std::vector<std::int64_t>{0, std::int64_t{1} << 40}))}})),
      "a.npz: y.npy: offset 136: element 1: expected an integer of 32 bits, found "
      "1099511627776");
}

void write_png(const std::filesystem::path& file, std::uint32_t height, std::uint32_t width,
               const std::vector<std::uint8_t>& pixels, std::uint32_t format) {
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  image.height = height;
  image.width = width;
  image.format = format;
  std::filesystem::create_directories(file.parent_path());
  ASSERT_NE(png_image_write_to_file(&image, file.c_str(), 0, pixels.data(), 0, nullptr), 0);
}

TEST(ImageFolder, HasAClassForEachFolder) {
  const TemporaryFolder folder;
  for (std::uint8_t i = 0; i < 10; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_png(folder / ("dark/" + name), 1, 2, {i, 0}, PNG_FORMAT_GRAY);
    write_png(folder / ("light/" + name), 1, 2, {255, i}, PNG_FORMAT_GRAY);
  }
  write_all(folder / "light/readme.txt", "no image");
  const std::string spec = "images:" + folder.path().string();
  const DataSplit data = soma::data::load(spec + "?split=ordered&test=0.5");
  EXPECT_EQ(data.train.sample_shape(), (Shape{1, 2, 1}));
  EXPECT_EQ(data.train.class_names(), (Strings{"dark", "light"}));
  EXPECT_EQ(data.train.size() + data.test.size(), 20);
  EXPECT_EQ(row_of(data.test, 0)[0], 1);
  EXPECT_EQ(soma::data::load(spec + "?channels=3").train.sample_shape(), (Shape{1, 2, 3}));
  EXPECT_EQ(soma::data::load(spec + "?size=1x1&test=0").train.sample_shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(labels_of(soma::data::load(spec).test), (std::vector<std::int32_t>{0, 0, 1, 1}));
}

TEST(ImageFolder, TakesItsOwnTest) {
  const TemporaryFolder folder;
  for (const char* part : {"train", "test"}) {
    for (const char* name : {"a", "b"}) {
      write_png(folder / part / name / "1.png", 2, 1, {255, 0, 51, 0, 255, 102}, PNG_FORMAT_RGB);
    }
  }
  const DataSplit data = soma::data::load("images:" + folder.path().string());
  EXPECT_EQ(data.train.size(), 2);
  EXPECT_EQ(row_of(data.test, 1), (std::vector<float>{1, 0, 0.2f, 0, 1, 0.4f}));
}

TEST(ImageFolderErrors, NameTheFile) {
  const TemporaryFolder folder;
  const std::string spec = "images:" + folder.path().string();
  EXPECT_EQ(message_of<FormatError>([&] { soma::data::load(spec); }),
            folder.path().string() +
                ": expected a folder with PNG files for each of two classes or more, found 0");
  write_png(folder / "a/1.png", 2, 2, {1, 2, 3, 4}, PNG_FORMAT_GRAY);
  write_png(folder / "b/1.png", 2, 1, {1, 2}, PNG_FORMAT_GRAY);
  EXPECT_EQ(problem_of(spec, folder),
            "b/1.png: expected an image [2,2,1] as a/1.png, found [2,1,1]; the option size=HxW "
            "makes them alike");
  std::string bytes = read_all(folder / "a/1.png");
  write_all(folder / "a/1.png", bytes.substr(0, bytes.size() / 2));
  EXPECT_EQ(problem_of(spec, folder).rfind("a/1.png: expected a PNG image, found: ", 0), 0u);
  write_all(folder / "a/1.png", "");
  EXPECT_EQ(problem_of(spec, folder), "a/1.png: expected a PNG image, found: an empty file");
}

TEST(TimeSeries, IsCutIntoWindows) {
  const TemporaryFolder folder;
  std::string text = "\"Date\",\"Temp\"\r\n";
  for (int i = 0; i < 20; ++i)
    text += "\"1981-01-" + std::to_string(10 + i) + "\"," + std::to_string(i % 4) + "\r\n";
  write_all(folder / "t.csv", text);
  const std::string spec = "series:" + (folder / "t.csv").string();
  const DataSplit data = soma::data::load(spec + "?window=3&horizon=2&test=0.4");
  EXPECT_EQ(data.train.size(), 8);  // 12 rows, windows of 5
  EXPECT_EQ(data.test.size(), 4);
  EXPECT_EQ(data.train.sample_shape(), (Shape{3, 1}));
  const auto deviations = [](double x) { return static_cast<float>((x - 1.5) / std::sqrt(1.25)); };
  EXPECT_EQ(row_of(data.train, 0),
            (std::vector<float>{deviations(0), deviations(1), deviations(2)}));
  EXPECT_EQ(target_of(data.train, 0), deviations(0));
  EXPECT_EQ(row_of(data.test, 0), row_of(data.train, 0));
  const soma::RecordFormat& format = data.train.record_format();
  EXPECT_NEAR(format.answer(deviations(0)), 0, 1e-6);
  EXPECT_EQ(soma::data::read_records("0,1,2\n", "r", format).inputs, row_of(data.train, 0));
  EXPECT_EQ(problem_of(spec + "?window=30", folder).substr(0, 6), "data '");
  write_all(folder / "t.csv", text + "x,\n");
  EXPECT_EQ(problem_of(spec, folder),
            "t.csv: row 21, column 'Temp': expected a number, found nothing");
}

std::string cifar(int images, char first) {
  std::string file;
  for (int i = 0; i < images; ++i) {
    file += static_cast<char>(i % 10);
    file += std::string(1024, first) + std::string(1024, 0) + std::string(1024, '\xff');
  }
  return file;
}

TEST(Cifar10, HasPixelsOutOfPlanes) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "cifar10");
  write_all(folder / "cifar10/data_batch_2.bin", cifar(12, '\x33'));
  write_all(folder / "cifar10/test_batch.bin", cifar(3, 0));
  const char* before = std::getenv("SOMA_DATA");
  const std::string kept = before == nullptr ? "" : before;
  ::setenv("SOMA_DATA", folder.path().c_str(), 1);
  const DataSplit data = soma::data::load("cifar10?validation=0.25");
  write_all(folder / "cifar10/test_batch.bin", cifar(3, 0).substr(0, 3073) + '\x0a');
  const std::string problem = problem_of("cifar10", folder);
  before == nullptr ? ::unsetenv("SOMA_DATA") : ::setenv("SOMA_DATA", kept.c_str(), 1);
  EXPECT_EQ(data.train.size() + data.validation.size(), 12);
  EXPECT_EQ(data.test.class_names()[2], "bird");
  EXPECT_EQ(data.train.sample_shape(), (Shape{32, 32, 3}));
  const auto image = row_of(data.train, 0);
  EXPECT_EQ(std::vector<float>(image.begin(), image.begin() + 3), (std::vector<float>{0.2f, 0, 1}));
  EXPECT_EQ(problem,
            "cifar10/test_batch.bin: expected records of 3073 bytes, a label and 32x32 red, green "
            "and blue, found 3074 bytes");
}

TEST(GeneratedSets, AreTheSameBitsEverywhere) {
  const struct {
    const char* spec;
    Shape sample, target;
    std::int64_t classes;
    const char* sha256;
  } sets[] = {{"spirals?train=20&test=10",
               {2},
               {},
               2,
               "f998ad3b9c1913285540c7e0865d38eb404b4b997aa599d90b389f44573fd0c8"},
              {"adding?train=20&test=10&length=6",
               {6, 2},
               {1},
               0,
               "10e0bf19c86de07970bf26c7277922a0b21cab70a521e39bb2c8ea7601e20c4f"},
              {"copy?train=20&test=10&length=3",
               {6},
               {6},
               10,
               "b07795bd768a8b19dd81138bebf2ab9012ee6714a14452e4662ea1070ccaa610"},
              {"reverse?train=20&test=10&length=3",
               {6},
               {6},
               10,
               "14f2100ecdb3e9f43a2bfbb7dd9464df6443545d31302efae2f2302ae2613ce4"},
              {"tones?train=20&test=10",
               {512, 1},
               {},
               4,
               "148816a5becd4dbd8d2ba20927a2a0d451725d16dd36e2c269d18f6e837f0cbe"}};
  for (const auto& [spec, sample, target, classes, sha256] : sets) {
    const DataSplit data = soma::data::load(spec);
    EXPECT_EQ(data.train.size(), 20) << spec;
    EXPECT_EQ(data.test.size(), 10) << spec;
    EXPECT_EQ(data.train.sample_shape(), sample) << spec;
    EXPECT_EQ(data.train.target_shape(), target) << spec;
    EXPECT_EQ(data.train.classes(), classes) << spec;
    EXPECT_EQ(data.train.sha256(), sha256) << spec;
    EXPECT_NE(data.train.sha256(), soma::data::load(spec, 2).train.sha256()) << spec;
  }
}

TEST(GeneratedSets, SayWhatTheyMean) {
  const DataSplit adding = soma::data::load("adding?train=5&test=1&length=7");
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto row = row_of(adding.train, i);
    float sum = 0, marks = 0;
    for (std::size_t t = 0; t < row.size(); t += 2) {
      sum += row[t] * row[t + 1];
      marks += row[t + 1];
    }
    EXPECT_EQ(marks, 2);
    EXPECT_EQ(target_of(adding.train, i), sum);
  }
  for (const bool reversed : {false, true}) {
    const DataSplit data = soma::data::load(std::string(reversed ? "reverse" : "copy") +
                                            "?train=3&test=1&length=4&symbols=5");
    std::vector<std::int32_t> in(8), out(8);
    const std::int64_t row = 2;
    data.train.gather_input(0, {&row, 1}, reinterpret_cast<std::byte*>(in.data()));
    data.train.gather_target(0, {&row, 1}, reinterpret_cast<std::byte*>(out.data()));
    EXPECT_EQ(in[4], 6);
    EXPECT_EQ(data.train.class_names()[6], "go");
    for (std::size_t t = 0; t < 4; ++t) {
      EXPECT_GE(in[t], 1);
      EXPECT_EQ(out[t], 0);
      EXPECT_EQ(out[4 + t], in[reversed ? 3 - t : t]);
    }
  }
}

}  // namespace
