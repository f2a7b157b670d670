#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "data/builtin.hpp"
#include "data/glyph_strokes.hpp"
#include "soma/philox.hpp"

// Only + - * / and square roots of float32, each rounded once, so that every machine draws the same
// bytes; no sines, no library functions.
namespace soma::data {

namespace {

constexpr int kSide = 28;
constexpr std::size_t kPixels = kSide * kSide;
constexpr int kDigits = 10;
constexpr std::int64_t kTrain = 10'000, kTest = 2'000;

/// The random numbers of one image, in the order in which they are asked for.
class Random {
 public:
  Random(const PhiloxStream& stream, std::uint32_t image) : stream_(stream), image_(image) {}

  float uniform(float low, float high) {
    return low + (high - low) * stream_.uniform(image_, next_++);
  }
  int below(int n) { return static_cast<int>(uniform(0, static_cast<float>(n))); }
  /// Near enough to the normal distribution: a sum of eight uniform numbers of 16 bits.
  float normal(float deviation) {
    std::uint32_t sum = 0;
    for (const std::uint32_t word : stream_.block(image_, next_++)) {
      sum += (word >> 16) + (word & 0xFFFF);
    }
    return deviation * (static_cast<float>(sum) * 0x1p-16f - 4.0f) * 1.2247449f;  // sqrt(12 / 8)
  }
  std::array<std::uint32_t, 4> block() { return stream_.block(image_, next_++); }

 private:
  const PhiloxStream& stream_;
  std::uint32_t image_, next_ = 0;
};

/// Where a digit's points fall in the image: scaled, slanted, turned, moved, then warped smoothly.
class Placement {
 public:
  explicit Placement(Random& random) {
    const float width = 14.0f * random.uniform(0.7f, 1.2f);
    const float height = 20.0f * random.uniform(0.75f, 1.08f);
    const float slant = random.uniform(-0.3f, 0.3f);
    const float t = random.uniform(-0.12f, 0.12f);  // tangent of half the angle: up to 14 degrees
    const float cosine = (1 - t * t) / (1 + t * t), sine = 2 * t / (1 + t * t);
    xx_ = cosine * width;
    xy_ = (-cosine * slant - sine) * height;
    yx_ = sine * width;
    yy_ = (cosine - sine * slant) * height;
    dx_ = 13.5f + random.uniform(-2.5f, 2.5f);
    dy_ = 13.5f + random.uniform(-2.0f, 2.0f);
    for (auto& knot : knots_) knot = {random.normal(0.8f), random.normal(0.8f)};
  }

  Point operator()(Point p) const {
    const float u = p.x - 0.5f, v = p.y - 0.5f;
    const Point q = {xx_ * u + xy_ * v + dx_, yx_ * u + yy_ * v + dy_};
    const Point shift = warp(q);
    return {q.x + shift.x, q.y + shift.y};
  }

 private:
  static constexpr int kKnots = 4;  // along each side

  /// Between four knots, with smooth weights.
  Point warp(Point q) const {
    const auto [i, s] = cell(q.x);
    const auto [j, t] = cell(q.y);
    const Point &a = knot(i, j), &b = knot(i + 1, j), &c = knot(i, j + 1), &d = knot(i + 1, j + 1);
    const auto mix = [&](float k, float l, float m, float n) {
      return (k + (l - k) * s) * (1 - t) + (m + (n - m) * s) * t;
    };
    return {mix(a.x, b.x, c.x, d.x), mix(a.y, b.y, c.y, d.y)};
  }
  static std::pair<int, float> cell(float at) {
    const float scaled = std::clamp(at / (kSide - 1) * (kKnots - 1), 0.0f, kKnots - 1.001f);
    const int i = static_cast<int>(scaled);
    const float f = scaled - static_cast<float>(i);
    return {i, f * f * (3 - 2 * f)};
  }
  const Point& knot(int i, int j) const { return knots_[static_cast<std::size_t>(j * kKnots + i)]; }

  float xx_, xy_, yx_, yy_, dx_, dy_;
  std::array<Point, kKnots * kKnots> knots_;
};

/// Squared distance of each pixel's centre to the nearest line drawn.
class Canvas {
 public:
  /// Distances above `reach` need not be known.
  explicit Canvas(float reach) : reach_(reach) { squared_.fill(reach * reach); }

  void line(Point a, Point b) {
    const auto first = [&](float at) {
      return std::clamp(static_cast<int>(at - reach_), 0, kSide);
    };
    const auto end = [&](float at) {
      return std::clamp(static_cast<int>(at + reach_) + 1, 0, kSide);
    };
    const float dx = b.x - a.x, dy = b.y - a.y;
    const float scale = 1.0f / std::max(dx * dx + dy * dy, 1e-6f);
    for (int y = first(std::min(a.y, b.y)); y < end(std::max(a.y, b.y)); ++y) {
      for (int x = first(std::min(a.x, b.x)); x < end(std::max(a.x, b.x)); ++x) {
        const float px = static_cast<float>(x) - a.x, py = static_cast<float>(y) - a.y;
        const float along = std::clamp((px * dx + py * dy) * scale, 0.0f, 1.0f);
        const float ex = px - along * dx, ey = py - along * dy;
        float& nearest = squared_[static_cast<std::size_t>(y * kSide + x)];
        nearest = std::min(nearest, ex * ex + ey * ey);
      }
    }
  }

  float distance(std::size_t pixel) const { return std::sqrt(squared_[pixel]); }

 private:
  float reach_;
  std::array<float, kPixels> squared_;
};

void draw_digit(int digit, const Placement& place, Random& random, Canvas& canvas) {
  const auto ways = ways_to_write(digit);
  std::vector<Point> line;
  for (Stroke stroke :
       ways[static_cast<std::size_t>(random.below(static_cast<int>(ways.size())))]) {
    for (Point& p : stroke.points) {
      p = {p.x + random.normal(0.035f), p.y + random.normal(0.035f)};
    }
    line.clear();
    flatten(stroke, line);
    for (Point& p : line) p = place(p);
    for (std::size_t i = 1; i < line.size(); ++i) canvas.line(line[i - 1], line[i]);
  }
}

/// A stray mark, so that single pixels prove little.
void draw_mark(Random& random, Canvas& canvas) {
  const Point from = {random.uniform(0, kSide), random.uniform(0, kSide)};
  canvas.line(from, {from.x + random.normal(3.0f), from.y + random.normal(3.0f)});
}

void draw_image(int digit, Random random, std::uint8_t* pixels) {
  const Placement place(random);
  const float radius = random.uniform(0.6f, 1.7f), edge = random.uniform(0.8f, 1.6f);
  constexpr float kMarkRadius = 0.4f;
  Canvas digit_canvas(radius + edge), mark_canvas(kMarkRadius + edge);
  draw_digit(digit, place, random, digit_canvas);
  if (random.uniform(0, 1) < 0.35f) draw_mark(random, mark_canvas);

  const float ink = random.uniform(0.65f, 1.0f), paper = random.uniform(0.0f, 0.15f);
  const float noise = random.uniform(0.0f, 0.1f);
  // 1 on the line, 0 outside, a smooth edge between: the blur of a pen and a lens.
  const auto coverage = [edge](float distance, float half_width) {
    const float f = std::clamp((half_width + edge - distance) / edge, 0.0f, 1.0f);
    return f * f * (3 - 2 * f);
  };
  std::array<std::uint32_t, 4> grain{};
  for (std::size_t i = 0; i < kPixels; ++i) {
    if (i % 4 == 0) grain = random.block();
    const std::uint32_t g = grain[i % 4];
    const auto sum = static_cast<float>((g & 255) + (g >> 8 & 255) + (g >> 16 & 255) + (g >> 24));
    const float grey = std::max(coverage(digit_canvas.distance(i), radius),
                                coverage(mark_canvas.distance(i), kMarkRadius));
    // Four uniform bytes have a deviation of 256 / sqrt(3) = 147.8 around 510.
    const float value = paper + (ink - paper) * grey + noise * (sum - 510.0f) / 147.8f;
    pixels[i] = static_cast<std::uint8_t>(std::clamp(value, 0.0f, 1.0f) * 255.0f + 0.5f);
  }
}

Dataset draw(const char* path, std::uint64_t seed, std::int64_t count) {
  const PhiloxStream stream(seed, path);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count) * kPixels);
  std::vector<std::int32_t> labels;
  for (std::int64_t i = 0; i < count; ++i) {
    const int digit = static_cast<int>(i % kDigits);
    draw_image(digit, Random(stream, static_cast<std::uint32_t>(i)),
               bytes.data() + static_cast<std::size_t>(i) * kPixels);
    labels.push_back(digit);
  }
  std::vector<std::string> class_names;
  for (int digit = 0; digit < kDigits; ++digit) class_names.push_back(std::to_string(digit));
  return {"glyphs", {kSide, kSide, 1}, std::move(bytes), std::move(labels), std::move(class_names)};
}

}  // namespace

DataSplit make_glyphs(std::uint64_t seed) {
  return {draw("glyphs/train", seed, kTrain), draw("glyphs/test", seed, kTest)};
}

}  // namespace soma::data
