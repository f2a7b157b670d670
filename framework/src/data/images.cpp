#include "data/images.hpp"

#include <png.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include "data/file_text.hpp"
#include "data/split.hpp"
#include "soma/error.hpp"

namespace soma::data {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kLargestSide = 16384;

struct Picture {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::uint8_t> pixels;
};

struct Wanted {
  std::int64_t channels = 0;           // 0: as the first image
  std::int64_t height = 0, width = 0;  // 0: as they are
};

/// Decodes one file; libpng takes care of palettes, 16 bits, interlacing and transparency.
Picture read_png(const fs::path& file, std::int64_t channels) {
  const std::string bytes = read_bytes(file);
  png_image image;
  std::memset(&image, 0, sizeof image);
  image.version = PNG_IMAGE_VERSION;
  struct Free {
    png_image* image;
    ~Free() { png_image_free(image); }
  } free{&image};
  const auto fail = [&](const std::string& problem) {
    throw FormatError(file.string() + ": expected a PNG image, found: " + problem);
  };
  if (bytes.empty()) fail("an empty file");
  if (png_image_begin_read_from_memory(&image, bytes.data(), bytes.size()) == 0) {
    fail(image.message);
  }
  if (image.width > kLargestSide || image.height > kLargestSide) {
    fail("one of " + std::to_string(image.height) + "x" + std::to_string(image.width) +
         ", beyond " + std::to_string(kLargestSide) + " pixels a side");
  }
  const bool grey = channels == 1 || (channels == 0 && (image.format & PNG_FORMAT_FLAG_COLOR) == 0);
  image.format = grey ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  Picture picture{static_cast<std::int64_t>(image.height),
                  static_cast<std::int64_t>(image.width),
                  grey ? 1 : 3,
                  {}};
  picture.pixels.resize(PNG_IMAGE_SIZE(image));
  const png_color black{0, 0, 0};
  if (png_image_finish_read(&image, &black, picture.pixels.data(), 0, nullptr) == 0) {
    fail(image.message);
  }
  return picture;
}

/// Each new pixel is the mean of the old ones it covers, at least one.
Picture resized(const Picture& from, std::int64_t height, std::int64_t width) {
  Picture to{height, width, from.channels, {}};
  to.pixels.reserve(static_cast<std::size_t>(height * width * from.channels));
  for (std::int64_t h = 0; h < height; ++h) {
    const std::int64_t top = h * from.height / height,
                       bottom = std::max(top + 1, (h + 1) * from.height / height);
    for (std::int64_t w = 0; w < width; ++w) {
      const std::int64_t left = w * from.width / width,
                         right = std::max(left + 1, (w + 1) * from.width / width);
      for (std::int64_t c = 0; c < from.channels; ++c) {
        std::int64_t sum = 0;
        for (std::int64_t y = top; y < bottom; ++y) {
          for (std::int64_t x = left; x < right; ++x) {
            sum += from.pixels[static_cast<std::size_t>((y * from.width + x) * from.channels + c)];
          }
        }
        const std::int64_t count = (bottom - top) * (right - left);
        to.pixels.push_back(static_cast<std::uint8_t>((sum + count / 2) / count));
      }
    }
  }
  return to;
}

std::vector<fs::path> sorted(const fs::path& folder, bool folders) {
  std::vector<fs::path> list;
  std::error_code problem;
  for (const auto& entry : fs::directory_iterator(folder, problem)) {
    std::string ending = entry.path().extension().string();
    std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return std::tolower(c); });
    if (folders ? entry.is_directory() : entry.is_regular_file() && ending == ".png") {
      list.push_back(entry.path());
    }
  }
  std::ranges::sort(list);
  return list;
}

std::vector<std::string> classes_of(const fs::path& folder) {
  std::vector<std::string> names;
  for (const fs::path& sub : sorted(folder, true)) {
    if (!sorted(sub, false).empty()) names.push_back(sub.filename().string());
  }
  return names;
}

class Folder {
 public:
  Folder(const Spec& spec, Wanted wanted) : spec_(spec), wanted_(wanted) {}

  Dataset load(const fs::path& folder, const std::vector<std::string>& classes) {
    std::vector<std::uint8_t> bytes;
    std::vector<std::int32_t> labels;
    for (std::size_t c = 0; c < classes.size(); ++c) {
      for (const fs::path& file : sorted(folder / classes[c], false)) {
        add(file, bytes);
        labels.push_back(static_cast<std::int32_t>(c));
      }
    }
    if (labels.empty()) {
      throw FormatError(folder.string() + ": expected PNG images in folders " + classes[0] +
                        " and so on, found none");
    }
    return {spec_.text(), sample_, std::move(bytes), std::move(labels), classes};
  }

 private:
  void add(const fs::path& file, std::vector<std::uint8_t>& bytes) {
    Picture picture = read_png(file, wanted_.channels);
    wanted_.channels = picture.channels;
    if (wanted_.height > 0) picture = resized(picture, wanted_.height, wanted_.width);
    const Shape sample{picture.height, picture.width, picture.channels};
    if (first_.empty()) {
      first_ = file;
      sample_ = sample;
    } else if (sample != sample_) {
      throw FormatError(file.string() + ": expected an image " + sample_.str() + " as " +
                        first_.string() + ", found " + sample.str() +
                        "; the option size=HxW makes them alike");
    }
    bytes.insert(bytes.end(), picture.pixels.begin(), picture.pixels.end());
  }

  const Spec& spec_;
  Wanted wanted_;
  fs::path first_;
  Shape sample_;
};

Wanted wanted(Spec& spec) {
  Wanted result;
  const std::string channels = spec.choice_option("channels", {"1", "3"}, "");
  if (!channels.empty()) result.channels = channels[0] - '0';
  const auto size = spec.text_option("size");
  if (!size) return result;
  const char *begin = size->data(), *end = begin + size->size();
  const auto first = std::from_chars(begin, end, result.height);
  result.width = result.height;
  auto last = first;
  if (first.ptr != end && *first.ptr == 'x')
    last = std::from_chars(first.ptr + 1, end, result.width);
  const auto fits = [](std::int64_t side) { return side >= 1 && side <= kLargestSide; };
  if (first.ec != std::errc() || last.ec != std::errc() || last.ptr != end ||
      !fits(result.height) || !fits(result.width)) {
    spec.fail("size: expected N or HxW in pixels, found \"" + *size + "\"");
  }
  return result;
}

}  // namespace

bool has_images(const fs::path& folder) {
  return !classes_of(folder).empty() || !classes_of(folder / "train").empty();
}

DataSplit load_images(Spec spec, const fs::path& folder, const LoadOptions& options) {
  const bool has_parts = fs::is_directory(folder / "train") && fs::is_directory(folder / "test");
  const Wanted form = wanted(spec);
  const SplitOptions shares = split_options(spec, options.seed, {.test = has_parts ? 0.0 : 0.2});
  spec.finish();
  const fs::path trained = has_parts ? folder / "train" : folder;
  const std::vector<std::string> classes = classes_of(trained);
  if (classes.size() < 2) {
    throw FormatError(trained.string() +
                      ": expected a folder with PNG files for each of two "
                      "classes or more, found " +
                      std::to_string(classes.size()));
  }
  Folder reader(spec, form);
  const Dataset all = reader.load(trained, classes);
  DataSplit parts{all, all};
  try {
    if (!has_parts || shares.validation > 0) parts = split(all, shares);
  } catch (const ShapeError& error) {
    throw FormatError(folder.string() + ": " + error.what());
  }
  if (!has_parts) return parts;
  for (const std::string& name : classes_of(folder / "test")) {
    if (std::ranges::find(classes, name) == classes.end()) {
      throw FormatError((folder / "test" / name).string() + ": expected a class that is in " +
                        trained.string() + " too, found '" + name + "'");
    }
  }
  parts.test = reader.load(folder / "test", classes);
  return parts;
}

}  // namespace soma::data
