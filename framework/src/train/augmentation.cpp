#include "soma/augmentation.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "soma/error.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/sdk/philox.hpp"

namespace soma {
namespace {

/// The random numbers of one sample in one epoch. Key = seed; counter = (element, epoch, row,
/// stream).
class Random {
 public:
  Random(std::uint64_t seed, std::int64_t epoch, std::int64_t row)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        epoch_(static_cast<std::uint32_t>(epoch)),
        row_(static_cast<std::uint32_t>(row)) {}

  std::array<std::uint32_t, 4> block(std::uint32_t element) const noexcept {
    constexpr auto kStream = static_cast<std::uint32_t>(stream_id("augment"));
    return philox4x32({element, epoch_, row_, kStream}, key_);
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::uint32_t epoch_, row_;
};

std::int64_t below(std::uint32_t bits, std::int64_t n) {
  return static_cast<std::int64_t>(std::uint64_t{bits} * static_cast<std::uint64_t>(n) >> 32);
}

struct Image {
  std::int64_t height, width, channels;
};

Image image_of(const Shape& sample) {
  if (sample.rank() == 3) return {sample[0], sample[1], sample[2]};
  return {sample[0], 1, sample.elements_from(1)};
}

void flip(float* pixels, const Image& image) {
  for (std::int64_t h = 0; h < image.height; ++h) {
    float* row = pixels + h * image.width * image.channels;
    for (std::int64_t w = 0; w < image.width / 2; ++w) {
      std::swap_ranges(row + w * image.channels, row + (w + 1) * image.channels,
                       row + (image.width - 1 - w) * image.channels);
    }
  }
}

enum class Border { zero, repeated };

/// What was at (h + dy, w + dx) comes to (h, w).
void move(float* pixels, const Image& image, std::int64_t dy, std::int64_t dx, Border border,
          std::span<float> spare) {
  std::copy_n(pixels, spare.size(), spare.data());
  for (std::int64_t h = 0; h < image.height; ++h) {
    for (std::int64_t w = 0; w < image.width; ++w) {
      float* to = pixels + (h * image.width + w) * image.channels;
      const std::int64_t y = std::clamp<std::int64_t>(h + dy, 0, image.height - 1),
                         x = std::clamp<std::int64_t>(w + dx, 0, image.width - 1);
      if (border == Border::zero && (y != h + dy || x != w + dx)) {
        std::fill_n(to, image.channels, 0.0f);
      } else {
        std::copy_n(spare.data() + (y * image.width + x) * image.channels, image.channels, to);
      }
    }
  }
}

/// By up to n each way; sequences along their positions only.
void move_by(float* pixels, const Image& image, std::int64_t n, std::uint32_t y, std::uint32_t x,
             Border border, std::span<float> spare) {
  const std::int64_t dy = below(y, 2 * n + 1) - n;
  const std::int64_t dx = image.width > 1 ? below(x, 2 * n + 1) - n : 0;
  if (dy != 0 || dx != 0) move(pixels, image, dy, dx, border, spare);
}

/// Box & Muller (1958) with the canonical functions, four numbers for each block of bits.
void add_noise(std::span<float> values, float deviation, const Random& random) {
  constexpr float kTwoPi = 6.28318530717958647692f;
  constexpr std::uint32_t kFirst = 16;  // blocks before are for what is drawn once a sample
  for (std::size_t i = 0; i < values.size(); i += 4) {
    const auto bits = random.block(kFirst + static_cast<std::uint32_t>(i / 4));
    std::array<float, 4> drawn;
    for (std::size_t pair = 0; pair < 4; pair += 2) {
      const float u = (static_cast<float>(bits[pair] >> 8) + 1.0f) * 0x1p-24f;  // (0, 1]
      const float v = static_cast<float>(bits[pair + 1] >> 8) * 0x1p-24f;       // [0, 1)
      const float radius = deviation * std::sqrt(-2.0f * math::log(u));
      drawn[pair] = radius * math::cos(kTwoPi * v);
      drawn[pair + 1] = radius * math::sin(kTwoPi * v);
    }
    for (std::size_t k = 0; k < std::min<std::size_t>(4, values.size() - i); ++k) {
      values[i + k] += drawn[k];
    }
  }
}

void cut_out(float* pixels, const Image& image, std::int64_t side, std::uint32_t y,
             std::uint32_t x) {
  const std::int64_t top = below(y, image.height) - side / 2,
                     left = below(x, image.width) - side / 2;
  const std::int64_t first = std::max<std::int64_t>(left, 0),
                     end = std::min(left + side, image.width);
  for (std::int64_t h = std::max<std::int64_t>(top, 0); h < std::min(top + side, image.height);
       ++h) {
    std::fill(pixels + (h * image.width + first) * image.channels,
              pixels + (h * image.width + end) * image.channels, 0.0f);
  }
}

std::string shortest(double x) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

[[noreturn]] void refuse(std::string_view part) {
  throw ShapeError(
      "augmentation: expected flip, crop=N, shift=N, noise=X or cutout=N between "
      "commas, found \"" +
      std::string(part) + "\"");
}

template <class Number>
Number number_of(std::string_view part, std::string_view value) {
  Number n = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), n);
  if (read.ec != std::errc() || read.ptr != value.data() + value.size() || !(n > 0 && n < 65536)) {
    refuse(part);
  }
  return n;
}

}  // namespace

Augmentation Augmentation::from_text(std::string_view text) {
  Augmentation result;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), part.size() + 1));
    const auto equals = std::min(part.find('='), part.size());
    const std::string_view name = part.substr(0, equals);
    const std::string_view value = part.substr(std::min(equals + 1, part.size()));
    if (part == "flip") {
      result.flip = true;
    } else if (name == "crop") {
      result.crop = number_of<std::int64_t>(part, value);
    } else if (name == "shift") {
      result.shift = number_of<std::int64_t>(part, value);
    } else if (name == "noise") {
      result.noise = number_of<double>(part, value);
    } else if (name == "cutout") {
      result.cutout = number_of<std::int64_t>(part, value);
    } else {
      refuse(part);
    }
  }
  return result;
}

std::string Augmentation::str() const {
  std::string text = flip ? ",flip" : "";
  if (crop > 0) text += ",crop=" + std::to_string(crop);
  if (shift > 0) text += ",shift=" + std::to_string(shift);
  if (noise > 0) text += ",noise=" + shortest(noise);
  if (cutout > 0) text += ",cutout=" + std::to_string(cutout);
  return text.empty() ? text : text.substr(1);
}

bool Augmentation::any() const noexcept { return *this != Augmentation(); }

void Augmentation::check(const Shape& sample) const {
  const bool moves = crop > 0 || shift > 0 || cutout > 0;
  if (flip && sample.rank() != 3) {
    throw ShapeError("augmentation: flip needs images [height,width,channels], the samples are " +
                     sample.str());
  }
  if (moves && sample.rank() != 3 && sample.rank() != 2) {
    throw ShapeError(
        "augmentation: crop, shift and cutout need images [height,width,channels] or "
        "sequences [length,channels], the samples are " +
        sample.str());
  }
}

void Augmentation::apply(std::span<float> samples, const Shape& sample,
                         std::span<const std::int64_t> rows, std::uint64_t seed, std::int64_t epoch,
                         std::span<float> spare) const noexcept {
  const auto size = static_cast<std::size_t>(sample.elements());
  const Image image = image_of(sample);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const Random random(seed, epoch, rows[i]);
    const auto values = samples.subspan(i * size, size);
    const auto moved = random.block(0), others = random.block(1);
    if (flip && (others[0] >> 31) != 0) soma::flip(values.data(), image);
    if (crop > 0) {
      move_by(values.data(), image, crop, moved[0], moved[1], Border::zero, spare.first(size));
    }
    if (shift > 0) {
      move_by(values.data(), image, shift, moved[2], moved[3], Border::repeated, spare.first(size));
    }
    if (noise > 0) add_noise(values, static_cast<float>(noise), random);
    if (cutout > 0) cut_out(values.data(), image, cutout, others[1], others[2]);
  }
}

}  // namespace soma
