#include "plot.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "report.hpp"

namespace lab {
namespace {

constexpr double kWidth = 560, kHeight = 320;
constexpr double kLeft = 86, kRight = 14, kTop = 12, kBottom = 46;

std::string pixel(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

std::string attribute(const char* name, double value) {
  return std::string(" ") + name + "=\"" + pixel(value) + "\"";
}

double screen_x(double share) { return kLeft + share * (kWidth - kLeft - kRight); }
double screen_y(double share) { return kHeight - kBottom - share * (kHeight - kTop - kBottom); }

std::string text_at(double x, double y, const char* anchor, const std::string& text) {
  return "<text" + attribute("x", x) + attribute("y", y) + " text-anchor=\"" + anchor + "\">" +
         escape_html(text) + "</text>";
}

}  // namespace

std::string figure_style() {
  std::string css =
      ":root{--c0:#2563c9;--c1:#d9622b;--c2:#2a8a57;--c3:#8b46b5"
      ";--c4:#b0892b;--c5:#c23b6b;--c6:#3a8fa3;--c7:#6b7280}"
      "@media(prefers-color-scheme:dark){:root{--c0:#6ea8ff;--c1:#ff9a66;--c2"
      ":#6fd19b;--c3:#c792ea;--c4:#e2c06a;--c5:#f28bb0;--c6:#7fcbdc;--c7:#a7afbd}}"
      "svg text{fill:var(--soft);font-size:12px}.grid{stroke:var(--line)}.axis{stroke:var(--soft)}"
      ".mark{stroke-dasharray:5 4;stroke-width:1.5}"
      "polyline{fill:none;stroke-width:2;stroke-linejoin:round}"
      ".key{font-weight:400;font-size:13px;margin-left:9px;white-space:nowrap}"
      ".key:before{content:\"\\25CF\\00A0\"}\n";
  for (int i = 0; i < 8; ++i) {
    const std::string n = std::to_string(i), c = ".c" + n, v = "var(--c" + n + ")";
    css += c + " polyline," + c + " .mark{stroke:" + v + "}" + c + " circle," + c + " rect,rect" +
           c + "{fill:" + v + "}.key" + c + "{color:" + v + "}";
  }
  return css + "\n";
}

std::string text_of(double value, int digits) {
  char text[48];
  if (std::isfinite(value) && std::abs(value) >= 1000 && std::abs(value) < 1e9) {
    std::snprintf(text, sizeof text, "%.0f", value);
    std::string grouped = text;
    const std::ptrdiff_t first = value < 0 ? 1 : 0;
    for (auto at = std::ssize(grouped) - 3; at > first; at -= 3) {
      grouped.insert(static_cast<std::size_t>(at), ",");
    }
    return grouped;
  }
  std::snprintf(text, sizeof text, "%.*g", digits, value);
  return text;
}

Plot::Plot(std::string title, std::string x_label, std::string y_label)
    : title_(std::move(title)), x_label_(std::move(x_label)), y_label_(std::move(y_label)) {}

Plot& Plot::add(Kind kind, std::string name, Points points) {
  series_.push_back({kind, std::move(name), std::move(points)});
  return *this;
}
Plot& Plot::line(std::string name, Points points) {
  return add(Kind::line, std::move(name), std::move(points));
}
Plot& Plot::dots(std::string name, Points points) {
  return add(Kind::dots, std::move(name), std::move(points));
}
Plot& Plot::bars(std::string name, Points points) {
  return add(Kind::bars, std::move(name), std::move(points));
}
Plot& Plot::mark(std::string name, double y) { return add(Kind::mark, std::move(name), {{0, y}}); }
Plot& Plot::log_x() {
  x_.logarithmic = true;
  return *this;
}
Plot& Plot::log_y() {
  y_.logarithmic = true;
  return *this;
}
Plot& Plot::range_x(double low, double high) {
  x_.fixed = true;
  x_.low = low, x_.high = high;
  return *this;
}
Plot& Plot::range_y(double low, double high) {
  y_.fixed = true;
  y_.low = low, y_.high = high;
  return *this;
}

Plot& Plot::names_x(std::vector<std::string> names) {
  names_ = std::move(names);
  return *this;
}

std::vector<std::pair<double, std::string>> Plot::x_ticks(const Scale& x) const {
  if (names_.empty()) return x.ticks();
  constexpr double kPixelsPerLetter = 7.5;
  std::size_t longest = 1;
  for (const std::string& name : names_) longest = std::max(longest, name.size());
  const double room = (kWidth - kLeft - kRight) / static_cast<double>(names_.size());
  const auto every =
      static_cast<std::size_t>(std::ceil(kPixelsPerLetter * static_cast<double>(longest) / room));
  std::vector<std::pair<double, std::string>> list;
  for (std::size_t i = 0; i < names_.size(); i += every) {
    list.emplace_back(static_cast<double>(i + 1), names_[i]);
  }
  return list;
}

double Plot::Scale::place(double v) const {
  if (logarithmic) return std::log(v / low) / std::log(high / low);
  return (v - low) / (high - low);
}

std::vector<std::pair<double, std::string>> Plot::Scale::ticks() const {
  std::vector<std::pair<double, std::string>> list;
  if (logarithmic) {
    const double decades = std::log10(high / low);
    const int stride = std::max(1, static_cast<int>(std::ceil(decades / 6)));
    for (int e = static_cast<int>(std::ceil(std::log10(low) - 1e-9));
         std::pow(10, e) <= high * 1.0001; e += stride) {
      list.emplace_back(std::pow(10, e), text_of(std::pow(10, e)));
    }
    if (list.size() >= 2) return list;
    list.clear();
  }
  const double raw = (high - low) / 5, power = std::pow(10, std::floor(std::log10(raw)));
  const double lead = raw / power;
  const double step = power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
  for (double v = std::ceil(low / step - 1e-9) * step; v <= high + step * 1e-6; v += step) {
    const double value = std::abs(v) < step * 1e-6 ? 0 : v;
    list.emplace_back(value, text_of(value, 4));
  }
  return list;
}

bool Plot::shown(const std::pair<double, double>& p) const {
  return std::isfinite(p.first) && std::isfinite(p.second) && (!x_.logarithmic || p.first > 0) &&
         (!y_.logarithmic || p.second > 0);
}

std::pair<Plot::Scale, Plot::Scale> Plot::scales() const {
  constexpr double kFar = std::numeric_limits<double>::infinity();
  Scale x = x_, y = y_;
  double x_low = kFar, x_high = -kFar, y_low = kFar, y_high = -kFar;
  for (const Series& s : series_) {
    for (const auto& p : s.points) {
      if (s.kind != Kind::mark && !shown(p)) continue;
      y_low = std::min(y_low, p.second), y_high = std::max(y_high, p.second);
      if (s.kind == Kind::mark) continue;
      x_low = std::min(x_low, p.first), x_high = std::max(x_high, p.first);
      if (s.kind == Kind::bars && !y.logarithmic) y_low = std::min(y_low, 0.0);
    }
  }
  const auto widen = [](Scale& s, double low, double high, bool room) {
    if (s.fixed) return;
    if (!(low <= high)) low = 1, high = 2;
    if (s.logarithmic) {
      s.low = low == high ? low / 2 : low / 1.15, s.high = low == high ? high * 2 : high * 1.15;
      return;
    }
    if (high - low < 1e-12 * std::max(1.0, std::abs(high))) low -= 0.5, high += 0.5;
    const double margin = room ? 0.05 * (high - low) : 0;
    s.low = low - (low == 0 ? 0 : margin), s.high = high + margin;
  };
  const bool bars =
      std::ranges::any_of(series_, [](const Series& s) { return s.kind == Kind::bars; });
  if (bars) x_low -= 0.6, x_high += 0.6;
  widen(x, x_low, x_high, !bars);
  widen(y, y_low, y_high, true);
  return {x, y};
}

std::string Plot::svg() const {
  const auto [x, y] = scales();
  const auto at = [&](const std::pair<double, double>& p) {
    return std::pair(screen_x(x.place(p.first)), screen_y(y.place(p.second)));
  };
  std::string legend, body;
  const double bars = static_cast<double>(
      std::ranges::count_if(series_, [](const Series& s) { return s.kind == Kind::bars; }));
  double bar = 0;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    const Series& s = series_[i];
    const std::string colour = "c" + std::to_string(i % 8);
    if (!s.name.empty()) {
      legend += " <span class=\"key " + colour + "\">" + escape_html(s.name) + "</span>";
    }
    body += "<g class=\"" + colour + "\">";
    if (s.kind == Kind::mark) {
      const double height = screen_y(y.place(s.points[0].second));
      body += "<line class=\"mark\"" + attribute("x1", kLeft) + attribute("x2", kWidth - kRight) +
              attribute("y1", height) + attribute("y2", height) + "/>";
    } else if (s.kind == Kind::line) {
      body += "<polyline points=\"";
      for (const auto& p : s.points) {
        if (!shown(p)) continue;
        const auto [px, py] = at(p);
        body += pixel(px) + "," + pixel(py) + " ";
      }
      body += "\"/>";
    }
    for (const auto& p : s.points) {
      if (s.kind == Kind::mark || !shown(p)) continue;
      const auto [px, py] = at(p);
      const std::string tip =
          "<title>" + escape_html(text_of(p.first, 6) + ", " + text_of(p.second, 6)) + "</title>";
      if (s.kind == Kind::dots) {
        body +=
            "<circle r=\"3\"" + attribute("cx", px) + attribute("cy", py) + ">" + tip + "</circle>";
      } else if (s.kind == Kind::bars) {
        const double width = (screen_x(x.place(1)) - screen_x(x.place(0))) * 0.8 / bars;
        const double base = screen_y(std::clamp(y.place(y.logarithmic ? y.low : 0), 0.0, 1.0));
        body += "<rect" + attribute("x", px + (bar - bars / 2) * width) +
                attribute("width", std::max(1.0, width - 1)) + attribute("y", std::min(py, base)) +
                attribute("height", std::abs(base - py)) + ">" + tip + "</rect>";
      }
    }
    if (s.kind == Kind::bars) ++bar;
    body += "</g>";
  }

  std::string svg = "<figure><figcaption>" + escape_html(title_) + legend +
                    "</figcaption><svg viewBox=\"0 0 560 320\" role=\"img\" aria-label=\"" +
                    escape_html(title_) + "\">";
  for (const auto& [value, label] : y.ticks()) {
    const double height = screen_y(y.place(value));
    svg += "<line class=\"grid\"" + attribute("x1", kLeft) + attribute("x2", kWidth - kRight) +
           attribute("y1", height) + attribute("y2", height) + "/>" +
           text_at(kLeft - 6, height + 4, "end", label);
  }
  for (const auto& [value, label] : x_ticks(x)) {
    const double across = screen_x(x.place(value));
    svg += "<line class=\"axis\"" + attribute("x1", across) + attribute("x2", across) +
           attribute("y1", kHeight - kBottom) + attribute("y2", kHeight - kBottom + 4) + "/>" +
           text_at(across, kHeight - kBottom + 18, "middle", label);
  }
  svg += "<line class=\"axis\"" + attribute("x1", kLeft) + attribute("x2", kWidth - kRight) +
         attribute("y1", kHeight - kBottom) + attribute("y2", kHeight - kBottom) + "/>";
  svg += text_at((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", x_label_);
  // Left of the longest tick's label.
  std::size_t letters = 0;
  for (const auto& [value, label] : y.ticks()) letters = std::max(letters, label.size());
  const double across = std::min(14.0, kLeft - 12 - 7.2 * static_cast<double>(letters));
  svg += "<text transform=\"translate(" + pixel(across) + "," +
         pixel((kTop + kHeight - kBottom) / 2) + ") rotate(-90)\" text-anchor=\"middle\">" +
         escape_html(y_label_) + "</text>";
  return svg + body + "</svg></figure>\n";
}

std::string heat_map(const std::string& title, int rows, int columns,
                     const std::vector<double>& values, const std::vector<std::string>& row_names,
                     const std::vector<std::string>& column_names) {
  double most = 0;
  for (const double v : values) {
    if (std::isfinite(v)) most = std::max(most, std::abs(v));
  }
  const double left = row_names.empty() ? 6 : 76, top = column_names.empty() ? 6 : 22;
  const double side = std::min((kWidth - left - 6) / columns, 44.0);
  const double height = top + side * rows + 6;
  std::string svg = "<figure><figcaption>" + escape_html(title) +
                    "</figcaption><svg viewBox=\"0 0 560 " + pixel(height) +
                    "\" role=\"img\" aria-label=\"" + escape_html(title) + "\">";
  for (int c = 0; c < columns && !column_names.empty(); ++c) {
    svg += text_at(left + (c + 0.5) * side, top - 7, "middle",
                   column_names[static_cast<std::size_t>(c)]);
  }
  for (int r = 0; r < rows; ++r) {
    if (!row_names.empty()) {
      svg += text_at(left - 6, top + (r + 0.5) * side + 4, "end",
                     row_names[static_cast<std::size_t>(r)]);
    }
    for (int c = 0; c < columns; ++c) {
      const double v = values[static_cast<std::size_t>(r * columns + c)];
      const double share = most == 0 || !std::isfinite(v) ? 0 : std::abs(v) / most;
      char opacity[16];
      std::snprintf(opacity, sizeof opacity, "%.3f", share);
      svg += std::string("<rect class=\"cell ") + (v < 0 ? "c1" : "c0") + "\" fill-opacity=\"" +
             opacity + "\"" + attribute("x", left + c * side) + attribute("y", top + r * side) +
             attribute("width", side - 0.5) + attribute("height", side - 0.5) + "><title>" +
             escape_html(text_of(v, 4)) + "</title></rect>";
    }
  }
  return svg + "</svg></figure>\n";
}

}  // namespace lab
