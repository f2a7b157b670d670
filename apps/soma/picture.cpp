#include "picture.hpp"

#include <png.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "report.hpp"

namespace {

using Colour = std::array<double, 3>;

std::uint8_t byte(double share) {
  return static_cast<std::uint8_t>(std::lround(255 * std::clamp(share, 0.0, 1.0)));
}

void set(Picture& picture, std::int64_t pixel, const Colour& colour, double opacity) {
  std::uint8_t* to = picture.rgba.data() + pixel * 4;
  for (std::size_t c = 0; c < 3; ++c) to[c] = byte(colour[c]);
  to[3] = byte(opacity);
}

std::string base64(std::span<const std::uint8_t> bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t word = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) word = word << 8 | (k < count ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= count ? kDigits[word >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

}  // namespace

void Picture::place(const Picture& other, std::int64_t row, std::int64_t column) {
  for (std::int64_t r = 0; r < other.height; ++r) {
    std::copy_n(other.rgba.data() + r * other.width * 4, other.width * 4,
                rgba.data() + ((row + r) * width + column) * 4);
  }
}

Picture Picture::part(std::int64_t top, std::int64_t left, std::int64_t rows,
                      std::int64_t columns) const {
  Picture box(rows, columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    std::copy_n(rgba.data() + ((top + r) * width + left) * 4, columns * 4,
                box.rgba.data() + r * columns * 4);
  }
  return box;
}

Picture photograph(std::span<const float> values, std::int64_t height, std::int64_t width,
                   std::int64_t channels, float low, float high) {
  Picture picture(height, width);
  const double range = high > low ? double{high} - low : 1;
  for (std::int64_t i = 0; i < height * width; ++i) {
    Colour colour;
    for (std::size_t c = 0; c < 3; ++c) {
      const auto from = i * channels + (channels == 3 ? static_cast<std::int64_t>(c) : 0);
      colour[c] = (values[static_cast<std::size_t>(from)] - double{low}) / range;
    }
    set(picture, i, colour, 1);
  }
  return picture;
}

Picture signed_map(std::span<const float> values, std::int64_t height, std::int64_t width,
                   float most) {
  constexpr Colour kBelow{0.20, 0.47, 0.93}, kAbove{0.92, 0.41, 0.14};
  Picture picture(height, width);
  for (std::int64_t i = 0; i < height * width; ++i) {
    const double share = most > 0 ? values[static_cast<std::size_t>(i)] / double{most} : 0;
    set(picture, i, share < 0 ? kBelow : kAbove, std::abs(share));
  }
  return picture;
}

Picture heat(std::span<const float> values, std::int64_t height, std::int64_t width, float most) {
  // Corners of a path whose lightness rises steadily.
  constexpr std::array<Colour, 5> kPath{{{0.04, 0.03, 0.10},
                                         {0.38, 0.09, 0.43},
                                         {0.80, 0.25, 0.30},
                                         {0.98, 0.60, 0.15},
                                         {0.99, 0.99, 0.75}}};
  Picture picture(height, width);
  for (std::int64_t i = 0; i < height * width; ++i) {
    const double share = most > 0 ? values[static_cast<std::size_t>(i)] / double{most} : 0;
    const double at = std::clamp(share, 0.0, 1.0) * (kPath.size() - 1);
    const auto first = std::min<std::size_t>(static_cast<std::size_t>(at), kPath.size() - 2);
    const double rest = at - static_cast<double>(first);
    Colour colour;
    for (std::size_t c = 0; c < 3; ++c) {
      colour[c] = (1 - rest) * kPath[first][c] + rest * kPath[first + 1][c];
    }
    set(picture, i, colour, 1);
  }
  return picture;
}

std::int64_t grid_columns(std::int64_t tiles, std::int64_t height, std::int64_t width) {
  const double wide = std::sqrt(2.0 * static_cast<double>(tiles) * static_cast<double>(height + 1) /
                                static_cast<double>(width + 1));
  return std::clamp<std::int64_t>(std::lround(wide), 1, tiles);
}

Picture grid(std::span<const Picture> tiles, std::int64_t columns) {
  if (tiles.empty()) return {};
  const std::int64_t rows = (std::ssize(tiles) + columns - 1) / columns;
  const std::int64_t height = tiles[0].height + 1, width = tiles[0].width + 1;
  Picture whole(rows * height - 1, columns * width - 1);
  for (std::int64_t i = 0; i < std::ssize(tiles); ++i) {
    whole.place(tiles[static_cast<std::size_t>(i)], i / columns * height, i % columns * width);
  }
  return whole;
}

std::string png_address(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(picture.width);
  image.height = static_cast<png_uint_32>(picture.height);
  image.format = PNG_FORMAT_RGBA;
  png_alloc_size_t size = 0;
  const void* pixels = picture.rgba.data();
  std::vector<std::uint8_t> bytes;
  bool done = png_image_write_to_memory(&image, nullptr, &size, 0, pixels, 0, nullptr) != 0;
  if (done) {
    bytes.resize(size);
    done = png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels, 0, nullptr) != 0;
  }
  if (!done) throw std::runtime_error(std::string("cannot encode a picture: ") + image.message);
  bytes.resize(size);
  return "data:image/png;base64," + base64(bytes);
}

std::string img(const Picture& picture, double scale, const std::string& alt) {
  const auto extent = [&](std::int64_t pixels) {
    return std::to_string(std::lround(scale * static_cast<double>(pixels)));
  };
  return "<img width=\"" + extent(picture.width) + "\" height=\"" + extent(picture.height) +
         "\" alt=\"" + escape_html(alt) + "\" src=\"" + png_address(picture) + "\">";
}

float largest(std::span<const float> values) {
  float most = 0;
  for (const float v : values) {
    if (std::isfinite(v)) most = std::max(most, std::abs(v));
  }
  return most;
}
