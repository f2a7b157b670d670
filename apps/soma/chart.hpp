#pragma once

#include <string>
#include <utility>
#include <vector>

/// One line of a chart; points in the order of x.
struct Series {
  std::string name;
  std::string css_class;  ///< gives the colour, see report.cpp
  std::vector<std::pair<double, double>> points;
  bool markers = false;  ///< a dot on every point
};

/// A line chart as inline SVG, with ticks at round numbers, a grid and a legend. Points that are
/// not finite are left out. Empty text if no point is left.
std::string line_chart(const std::string& title, const std::string& x_label,
                       const std::vector<Series>& series);
