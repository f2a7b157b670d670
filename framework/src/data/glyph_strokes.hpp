#pragma once

#include <span>
#include <vector>

namespace soma::data {

struct Point {
  float x, y;  // right and down; a digit fills [0,1] x [0,1]
};

/// One movement of the pen through or, if curved, near its points.
struct Stroke {
  enum class Kind {
    straight,  // a polyline
    curved,    // a quadratic B-spline from the first point to the last
    closed     // the same around and back, touching no point
  };
  Kind kind;
  std::vector<Point> points;
};

/// The ways in which people write a digit, 0 to 9: one list of strokes each.
std::span<const std::vector<Stroke>> ways_to_write(int digit);

/// Appends the polyline that a stroke follows.
void flatten(const Stroke& stroke, std::vector<Point>& line);

}  // namespace soma::data
