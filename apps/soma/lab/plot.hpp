#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lab {

using Points = std::vector<std::pair<double, double>>;

/// A figure as inline SVG: lines, dots and bars over two axes with ticks, units and a legend.
/// Colours are classes c0, c1, ... in the order of the series, which the page defines for light and
/// dark. Points that are not finite, or not positive on a logarithmic axis, are left out.
class Plot {
 public:
  Plot(std::string title, std::string x_label, std::string y_label);
  Plot& line(std::string name, Points points);
  Plot& dots(std::string name, Points points);
  Plot& bars(std::string name, Points points);  ///< all bars of a plot share their positions
  Plot& log_x();
  Plot& log_y();
  /// A dashed line across the plot at a height that means something.
  Plot& mark(std::string name, double y);
  /// Limits of the axis, instead of those of the points.
  Plot& range_x(double low, double high);
  Plot& range_y(double low, double high);
  /// What stands at 1, 2, ... of the x axis instead of numbers; some are left out where there are
  /// many.
  Plot& names_x(std::vector<std::string> names);
  std::string svg() const;

 private:
  enum class Kind { line, dots, bars, mark };
  struct Series {
    Kind kind;
    std::string name;
    Points points;
  };
  struct Scale {
    bool logarithmic = false, fixed = false;
    double low = 0, high = 1;
    double place(double v) const;  // 0 at low, 1 at high
    std::vector<std::pair<double, std::string>> ticks() const;
  };
  Plot& add(Kind kind, std::string name, Points points);
  bool shown(const std::pair<double, double>& p) const;
  std::pair<Scale, Scale> scales() const;
  std::vector<std::pair<double, std::string>> x_ticks(const Scale& x) const;

  std::string title_, x_label_, y_label_;
  std::vector<Series> series_;
  Scale x_, y_;
  std::vector<std::string> names_;
};

/// A matrix as a grid of squares, from `low` (background) to `high` (full colour), negative numbers
/// in another colour. Row by row; each square tells its number when pointed at.
std::string heat_map(const std::string& title, int rows, int columns,
                     const std::vector<double>& values, const std::vector<std::string>& row_names,
                     const std::vector<std::string>& column_names);

/// CSS of what the figures here are made of, for a page that starts with page_start(): the colours
/// --c0 to --c7 and their classes.
std::string figure_style();

/// "0.0123", "12,345" ...: a number as a person writes it, with that many significant digits.
std::string text_of(double value, int digits = 3);

}  // namespace lab
