#include "chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

namespace {

constexpr double kWidth = 480, kHeight = 270;
constexpr double kLeft = 56, kRight = 24, kTop = 14, kBottom = 42;

struct Axis {
  double low, high, step;
};

/// Limits and distance of ticks at 1, 2 or 5 times a power of ten, about `ticks` of them.
Axis nice_axis(double low, double high, int ticks) {
  if (high - low < 1e-12 * std::max(1.0, std::abs(high))) {
    const double margin = high == 0 ? 1 : std::abs(high) * 0.1;
    low -= margin;
    high += margin;
  }
  const double raw = (high - low) / ticks;
  const double power = std::pow(10, std::floor(std::log10(raw)));
  const double lead = raw / power;
  const double step = power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
  return {std::floor(low / step) * step, std::ceil(high / step) * step, step};
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", std::abs(value) < 1e-12 ? 0 : value);
  return text;
}

std::string pixel(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

}  // namespace

std::string line_chart(const std::string& title, const std::string& x_label,
                       const std::vector<Series>& series) {
  double x_low = std::numeric_limits<double>::infinity(), x_high = -x_low;
  double y_low = x_low, y_high = -x_low;
  const auto finite = [](const auto& point) {
    return std::isfinite(point.first) && std::isfinite(point.second);
  };
  for (const Series& line : series) {
    for (const auto& point : line.points) {
      if (!finite(point)) continue;
      x_low = std::min(x_low, point.first);
      x_high = std::max(x_high, point.first);
      y_low = std::min(y_low, point.second);
      y_high = std::max(y_high, point.second);
    }
  }
  if (x_low > x_high) return "";
  const Axis x = nice_axis(std::min(0.0, x_low), x_high, 6), y = nice_axis(y_low, y_high, 5);
  const auto place_x = [&](double v) {
    return kLeft + (v - x.low) / (x.high - x.low) * (kWidth - kLeft - kRight);
  };
  const auto place_y = [&](double v) {
    return kHeight - kBottom - (v - y.low) / (y.high - y.low) * (kHeight - kTop - kBottom);
  };

  std::string svg = "<figure><figcaption>" + title;
  for (const Series& line : series) {
    if (line.name.empty() || line.points.empty()) continue;
    svg += " <span class=\"key " + line.css_class + "\">" + line.name + "</span>";
  }
  svg += "</figcaption>\n<svg width=\"" + number(kWidth) + "\" height=\"" + number(kHeight) +
         "\" viewBox=\"0 0 " + number(kWidth) + " " + number(kHeight) +
         "\" role=\"img\" aria-label=\"" + title + "\">\n";
  for (int i = 0; y.low + i * y.step <= y.high + y.step / 2; ++i) {
    const double value = y.low + i * y.step;
    const std::string at = pixel(place_y(value));
    svg += "<line class=\"grid\" x1=\"" + pixel(kLeft) + "\" x2=\"" + pixel(kWidth - kRight) +
           "\" y1=\"" + at + "\" y2=\"" + at + "\"/><text x=\"" + pixel(kLeft - 6) + "\" y=\"" +
           pixel(place_y(value) + 4) + "\" text-anchor=\"end\">" + number(value) + "</text>\n";
  }
  for (int i = 0; x.low + i * x.step <= x.high + x.step / 2; ++i) {
    const double value = x.low + i * x.step;
    const std::string at = pixel(place_x(value));
    svg += "<line class=\"tick\" x1=\"" + at + "\" x2=\"" + at + "\" y1=\"" +
           pixel(kHeight - kBottom) + "\" y2=\"" + pixel(kHeight - kBottom + 5) + "\"/><text x=\"" +
           at + "\" y=\"" + pixel(kHeight - kBottom + 18) + "\" text-anchor=\"middle\">" +
           number(value) + "</text>\n";
  }
  svg += "<line class=\"axis\" x1=\"" + pixel(kLeft) + "\" x2=\"" + pixel(kWidth - kRight) +
         "\" y1=\"" + pixel(kHeight - kBottom) + "\" y2=\"" + pixel(kHeight - kBottom) +
         "\"/><line class=\"axis\" x1=\"" + pixel(kLeft) + "\" x2=\"" + pixel(kLeft) + "\" y1=\"" +
         pixel(kTop) + "\" y2=\"" + pixel(kHeight - kBottom) + "\"/><text x=\"" +
         pixel((kLeft + kWidth - kRight) / 2) + "\" y=\"" + pixel(kHeight - 6) +
         "\" text-anchor=\"middle\">" + x_label + "</text>\n";
  for (const Series& line : series) {
    std::string points, dots;
    for (const auto& point : line.points) {
      if (!finite(point)) continue;
      const std::string px = pixel(place_x(point.first)), py = pixel(place_y(point.second));
      points += px + "," + py + " ";
      if (line.markers) dots += "<circle cx=\"" + px + "\" cy=\"" + py + "\" r=\"3.5\"/>";
    }
    svg += "<g class=\"" + line.css_class + "\"><polyline points=\"" + points + "\"/>" + dots +
           "</g>\n";
  }
  return svg + "</svg></figure>\n";
}
