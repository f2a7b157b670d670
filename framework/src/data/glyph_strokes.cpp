#include "data/glyph_strokes.hpp"

#include <array>
#include <cstddef>

namespace soma::data {

namespace {

using Way = std::vector<Stroke>;
constexpr auto kStraight = Stroke::Kind::straight;
constexpr auto kCurved = Stroke::Kind::curved;
constexpr auto kClosed = Stroke::Kind::closed;

constexpr int kPiecesPerCurve = 5;

Point middle(Point a, Point b) { return {(a.x + b.x) * 0.5f, (a.y + b.y) * 0.5f}; }

/// A quadratic Bezier curve; its start is on the line already.
void add_curve(Point from, Point control, Point to, std::vector<Point>& line) {
  for (int i = 1; i <= kPiecesPerCurve; ++i) {
    const float t = static_cast<float>(i) / kPiecesPerCurve;
    const float a = (1 - t) * (1 - t), b = 2 * t * (1 - t), c = t * t;
    line.push_back({a * from.x + b * control.x + c * to.x, a * from.y + b * control.y + c * to.y});
  }
}

const std::array<std::vector<Way>, 10>& all_ways() {
  static const std::array<std::vector<Way>, 10> ways = {{
      // 0: an oval; one whose ends pass each other
      {{{kClosed,
         {{.5f, -.04f},
          {.95f, .03f},
          {1.04f, .5f},
          {.95f, .97f},
          {.5f, 1.04f},
          {.05f, .97f},
          {-.04f, .5f},
          {.05f, .03f}}}},
       {{kCurved,
         {{.7f, .05f},
          {.3f, -.06f},
          {.0f, .2f},
          {-.02f, .8f},
          {.3f, 1.06f},
          {.75f, 1.02f},
          {1.02f, .7f},
          {1.02f, .25f},
          {.75f, -.04f},
          {.4f, .06f}}}}},
      // 1: a line; with a flag; with flag and base
      {{{kStraight, {{.5f, .0f}, {.5f, 1.f}}}},
       {{kStraight, {{.3f, .2f}, {.55f, .0f}, {.55f, 1.f}}}},
       {{kStraight, {{.28f, .18f}, {.52f, .0f}, {.52f, 1.f}}},
        {kStraight, {{.22f, 1.f}, {.82f, 1.f}}}}},
      // 2: flat base; loop below; wavy base
      {{{kCurved,
         {{.06f, .25f},
          {.12f, -.02f},
          {.6f, -.08f},
          {.98f, .1f},
          {.92f, .42f},
          {.5f, .7f},
          {.04f, 1.f}}},
        {kStraight, {{.04f, 1.f}, {.96f, 1.f}}}},
       {{kCurved,
         {{.1f, .22f},
          {.2f, -.05f},
          {.75f, -.06f},
          {.96f, .2f},
          {.75f, .6f},
          {.3f, 1.0f},
          {-.04f, 1.02f},
          {.04f, .74f},
          {.35f, .8f},
          {.6f, 1.05f},
          {1.f, .94f}}}},
       {{kCurved,
         {{.05f, .16f}, {.5f, -.12f}, {1.f, .08f}, {.85f, .48f}, {.4f, .75f}, {.02f, 1.f}}},
        {kCurved, {{.02f, 1.f}, {.3f, .85f}, {.6f, 1.08f}, {1.f, .95f}}}}},
      // 3: two bowls; flat top
      {{{kCurved,
         {{.08f, .13f}, {.3f, -.06f}, {.88f, -.06f}, {.98f, .3f}, {.75f, .47f}, {.36f, .48f}}},
        {kCurved,
         {{.36f, .48f}, {.85f, .46f}, {1.06f, .7f}, {.92f, 1.03f}, {.35f, 1.08f}, {.04f, .86f}}}},
       {{kStraight, {{.08f, .0f}, {.9f, .0f}, {.42f, .42f}}},
        {kCurved,
         {{.42f, .42f}, {.95f, .4f}, {1.06f, .75f}, {.85f, 1.06f}, {.35f, 1.08f}, {.03f, .87f}}}}},
      // 4: open; closed; with a round corner
      {{{kStraight, {{.25f, .0f}, {.06f, .6f}, {.98f, .6f}}},
        {kStraight, {{.72f, .25f}, {.68f, 1.f}}}},
       {{kStraight, {{.7f, 1.f}, {.7f, .0f}, {.02f, .68f}, {1.f, .68f}}}},
       {{kCurved, {{.12f, .0f}, {.04f, .52f}, {.2f, .6f}, {.88f, .5f}}},
        {kStraight, {{.88f, .0f}, {.8f, 1.f}}}}},
      // 5: bar, stem and bowl; in one movement
      {{{kStraight, {{.92f, .0f}, {.2f, .0f}, {.14f, .44f}}},
        {kCurved,
         {{.14f, .44f},
          {.5f, .28f},
          {1.f, .36f},
          {1.04f, .85f},
          {.65f, 1.1f},
          {.2f, 1.04f},
          {.03f, .88f}}}},
       {{kCurved,
         {{.92f, .03f},
          {.3f, -.04f},
          {.06f, .22f},
          {.3f, .46f},
          {.88f, .46f},
          {1.06f, .82f},
          {.7f, 1.08f},
          {.06f, .98f}}}}},
      // 6: round stem; straight stem
      {{{kCurved,
         {{.82f, .02f},
          {.3f, .1f},
          {-.02f, .55f},
          {.06f, 1.02f},
          {.6f, 1.1f},
          {1.f, .86f},
          {.88f, .5f},
          {.4f, .42f},
          {.08f, .68f}}}},
       {{kCurved,
         {{.58f, .0f},
          {.2f, .38f},
          {-.04f, .72f},
          {.12f, 1.06f},
          {.75f, 1.08f},
          {1.02f, .8f},
          {.75f, .5f},
          {.3f, .56f},
          {.08f, .82f}}}}},
      // 7: plain; crossed; serif and round stem
      {{{kStraight, {{.05f, .0f}, {.95f, .0f}, {.4f, 1.f}}}},
       {{kStraight, {{.05f, .0f}, {.95f, .0f}, {.42f, 1.f}}},
        {kStraight, {{.3f, .5f}, {.9f, .5f}}}},
       {{kStraight, {{.06f, .2f}, {.06f, .02f}, {.95f, .02f}}},
        {kCurved, {{.95f, .02f}, {.6f, .4f}, {.42f, .7f}, {.42f, 1.f}}}}},
      // 8: two ovals; in one movement
      {{{kClosed, {{.5f, -.05f}, {.9f, .0f}, {.9f, .45f}, {.5f, .52f}, {.1f, .45f}, {.1f, .0f}}},
        {kClosed,
         {{.5f, .44f}, {1.f, .52f}, {1.04f, 1.f}, {.5f, 1.06f}, {-.04f, 1.f}, {.0f, .52f}}}},
       {{kCurved,
         {{.88f, .14f},
          {.5f, -.12f},
          {.04f, .04f},
          {.15f, .4f},
          {.78f, .58f},
          {1.06f, .9f},
          {.55f, 1.12f},
          {-.04f, .94f},
          {.2f, .58f},
          {.75f, .38f},
          {.92f, .08f}}}}},
      // 9: straight stem; round tail
      {{{kClosed,
         {{.5f, -.05f}, {.94f, .02f}, {.96f, .46f}, {.5f, .56f}, {.04f, .46f}, {.04f, .02f}}},
        {kStraight, {{.9f, .2f}, {.82f, 1.f}}}},
       {{kCurved,
         {{.92f, .28f},
          {.85f, -.04f},
          {.3f, -.1f},
          {-.06f, .22f},
          {.15f, .56f},
          {.7f, .54f},
          {.92f, .16f}}},
        {kCurved, {{.92f, .16f}, {1.f, .65f}, {.75f, 1.04f}, {.2f, 1.02f}}}}},
  }};
  return ways;
}

}  // namespace

std::span<const std::vector<Stroke>> ways_to_write(int digit) {
  return all_ways()[static_cast<std::size_t>(digit)];
}

void flatten(const Stroke& stroke, std::vector<Point>& line) {
  const auto& p = stroke.points;
  if (stroke.kind == Stroke::Kind::straight) {
    line.insert(line.end(), p.begin(), p.end());
    return;
  }
  // A quadratic B-spline runs from middle to middle of its control polygon's sides.
  const std::size_t n = p.size();
  const bool closed = stroke.kind == Stroke::Kind::closed;
  Point from = closed ? middle(p[n - 1], p[0]) : p[0];
  line.push_back(from);
  for (std::size_t i = closed ? 0 : 1; i < (closed ? n : n - 1); ++i) {
    const bool last = !closed && i == n - 2;
    const Point to = last ? p[n - 1] : middle(p[i], p[(i + 1) % n]);
    add_curve(from, p[i], to, line);
    from = to;
  }
}

}  // namespace soma::data
