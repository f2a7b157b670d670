#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/// A picture of bytes red, green, blue, opacity; row by row from the top.
struct Picture {
  std::int64_t height = 0, width = 0;
  std::vector<std::uint8_t> rgba;

  Picture() = default;
  /// Transparent.
  Picture(std::int64_t rows, std::int64_t columns)
      : height(rows), width(columns), rgba(static_cast<std::size_t>(rows * columns * 4), 0) {}
  /// Puts another one on top, from that row and column on. It must fit.
  void place(const Picture& other, std::int64_t row, std::int64_t column);
  /// The rows and columns of a box.
  Picture part(std::int64_t top, std::int64_t left, std::int64_t rows, std::int64_t columns) const;
};

/// An image [H,W,1] or [H,W,3] with `low` as black and `high` as full brightness.
Picture photograph(std::span<const float> values, std::int64_t height, std::int64_t width,
                   std::int64_t channels, float low, float high);
/// A matrix of which 0 means nothing: from transparent to full colour at `most`, blue below 0 and
/// orange above. Good on light and on dark.
Picture signed_map(std::span<const float> values, std::int64_t height, std::int64_t width,
                   float most);
/// The same for numbers of 0 or more, from black over red and yellow to white at `most`.
Picture heat(std::span<const float> values, std::int64_t height, std::int64_t width, float most);
/// Pictures of one size in rows, one pixel apart.
Picture grid(std::span<const Picture> tiles, std::int64_t columns);
/// About as many columns as make the grid twice as wide as high.
std::int64_t grid_columns(std::int64_t tiles, std::int64_t height, std::int64_t width);

/// The picture as a PNG in a data: address. Throws std::runtime_error if it cannot be encoded.
std::string png_address(const Picture& picture);
/// An <img> of it, each pixel `scale` wide but never wider than the page; `alt` says what it shows.
std::string img(const Picture& picture, double scale, const std::string& alt);
/// The largest magnitude.
float largest(std::span<const float> values);
