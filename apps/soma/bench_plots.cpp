#include "bench_plots.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "report.hpp"

namespace {

std::string text_of(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// The plane of the roofline plot: decades to pixels.
struct Plane {
  static constexpr double kWidth = 1000, kHeight = 380;
  static constexpr double kLeft = 56, kRight = 12, kTop = 12, kBottom = 40;
  double x_low, x_high, y_low, y_high;  // powers of ten

  double x(double value) const {
    return kLeft + (std::log10(value) - x_low) / (x_high - x_low) * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    return kHeight - kBottom -
           (std::log10(value) - y_low) / (y_high - y_low) * (kHeight - kTop - kBottom);
  }
};

struct Dot {
  double intensity, gflops;
  std::string name, title;
};

std::vector<Dot> dots_of(const BenchReport& report) {
  std::vector<Dot> dots;
  for (const Contest& contest : report.contests) {
    if (contest.threads != report.most_threads()) continue;
    for (const Contestant& c : contest.contestants) {
      const auto figures = figures_of(contest, c, report.peaks);
      if (!figures || figures->flops <= 0 || figures->bytes <= 0) continue;
      std::string title = contest_title(contest, report) + ", " + c.name + ": " +
                          text_of("%.0f GFLOP/s", figures->gflops);
      if (figures->roofline)
        title += text_of(", %.0f %% of the roofline", 100 * *figures->roofline);
      dots.push_back({figures->flops / figures->bytes, figures->gflops, c.name, title});
    }
  }
  return dots;
}

std::string grid(const Plane& plane) {
  std::string svg;
  for (double p = plane.x_low; p <= plane.x_high; ++p) {
    const std::string x = text_of("%.1f", plane.x(std::pow(10, p)));
    svg += "<line class=\"grid\" x1=\"" + x + "\" x2=\"" + x + "\" y1=\"12\" y2=\"340\"/>";
    svg += "<text x=\"" + x + "\" y=\"357\" text-anchor=\"middle\">" +
           text_of("%g", std::pow(10, p)) + "</text>";
  }
  for (double p = plane.y_low; p <= plane.y_high; ++p) {
    const std::string y = text_of("%.1f", plane.y(std::pow(10, p)));
    svg += "<line class=\"grid\" x1=\"56\" x2=\"988\" y1=\"" + y + "\" y2=\"" + y + "\"/>";
    svg += "<text x=\"50\" y=\"" + y + "\" dy=\"4\" text-anchor=\"end\">" +
           text_of("%g", std::pow(10, p)) + "</text>";
  }
  return svg +
         "<text x=\"522\" y=\"375\" text-anchor=\"middle\">FLOP per byte</text>"
         "<text x=\"60\" y=\"24\">GFLOP/s</text>";
}

/// One roof for each measured bandwidth, all under the same ceiling.
std::string roofs(const Plane& plane, const soma::bench::Peaks& peaks) {
  std::string svg =
      "<clipPath id=\"plane\"><rect x=\"56\" y=\"12\" width=\"932\" height=\"328\"/></clipPath>";
  for (const auto& b : peaks.bandwidth) {
    const double from = std::pow(10, plane.x_low);
    const double ridge = peaks.gflops / b.gbytes_per_second;
    svg += "<polyline class=\"roof\" clip-path=\"url(#plane)\" points=\"" +
           text_of("%.1f,", plane.x(from)) + text_of("%.1f ", plane.y(from * b.gbytes_per_second)) +
           text_of("%.1f,", plane.x(ridge)) + text_of("%.1f ", plane.y(peaks.gflops)) +
           text_of("%.1f,", plane.x(std::pow(10, plane.x_high))) +
           text_of("%.1f", plane.y(peaks.gflops)) + "\"><title>" +
           text_of("%.0f GB/s at ", b.gbytes_per_second) + text_of("%.0f kB", b.bytes / 1024) +
           text_of(", %.0f GFLOP/s</title></polyline>", peaks.gflops);
  }
  return svg;
}

std::string share(double value) { return text_of("%.1f %%", 100 * value); }

}  // namespace

std::string Colours::style(const std::string& name) {
  auto found = std::ranges::find(names_, name);
  if (found == names_.end()) found = names_.insert(names_.end(), name);
  return "--c:var(--c" + std::to_string((found - names_.begin()) % kCount) + ")";
}

std::string Colours::key() {
  std::string html = "<div class=\"key\">";
  for (const std::string& name : std::vector<std::string>(names_)) {
    html += "<span style=\"" + style(name) + "\">" + escape_html(name) + "</span>";
  }
  return html + "</div>\n";
}

std::string roofline_plot(const BenchReport& report, Colours& colours) {
  const auto dots = dots_of(report);
  const auto peaks =
      std::ranges::find(report.peaks, report.most_threads(), &soma::bench::Peaks::threads);
  if (dots.empty() || peaks == report.peaks.end()) return "";
  const auto [x_least, x_most] = std::ranges::minmax(dots, {}, &Dot::intensity);
  const double y_least = std::ranges::min(dots, {}, &Dot::gflops).gflops;
  const Plane plane{std::min(-1.0, std::floor(std::log10(x_least.intensity))),
                    std::ceil(std::log10(std::max(x_most.intensity, 100.0))),
                    std::floor(std::log10(y_least)), std::ceil(std::log10(peaks->gflops))};
  std::string html =
      "<section><h2>Roofline</h2><p>Multiply-adds per second over what each byte of the operands "
      "brings; lines are what this machine can do: " +
      escape_html(peaks_text(*peaks)) +
      ".</p><svg viewBox=\"0 0 1000 380\" role=\"img\" aria-label=\"roofline\">" + grid(plane) +
      roofs(plane, *peaks);
  for (const Dot& dot : dots) {
    html += "<circle r=\"4\" style=\"" + colours.style(dot.name) + "\" cx=\"" +
            text_of("%.1f", plane.x(dot.intensity)) + "\" cy=\"" +
            text_of("%.1f", plane.y(dot.gflops)) + "\"><title>" + escape_html(dot.title) +
            "</title></circle>";
  }
  return html + "</svg></section>\n";
}

std::string step_plot(const BenchReport& report) {
  std::string rows;
  for (const Contest& contest : report.contests) {
    for (const Contestant& c : contest.contestants) {
      if (!c.breakdown || !c.ran()) continue;
      const auto& b = *c.breakdown;
      const double outside = b.outside_share(), packs = b.packs_ms / b.total_ms;
      const double kernels = std::max(0.0, 1 - outside - packs);
      rows +=
          "<div class=\"case\"><div class=\"name\">" + escape_html(contest_title(contest, report)) +
          "</div><div class=\"row\"><div class=\""
          "stack\"><i style=\"width:" +
          text_of("%.2f%%", 100 * kernels) +
          ";--c:var(--c2)\"></i><i style=\"width:" + text_of("%.2f%%", 100 * packs) +
          ";--c:var(--c1)\"></i><i style=\"width:" + text_of("%.2f%%", 100 * outside) +
          ";--c:var(--bad)\"></i></div><div class=\"fig\"><b></b><span>" + escape_html(c.name) +
          "</span><span>" + share(packs) + " / " + share(outside) + "</span></div></div></div>\n";
    }
  }
  if (rows.empty()) return "";
  return "<section><h2>A step</h2><div class=\"key\"><span style=\"--c:var(--c2)\">kernels</span>"
         "<span style=\"--c:var(--c1)\">packing weights</span><span "
         "style=\"--c:var(--bad)\">outside "
         "kernels</span></div>\n" +
         rows + "</section>\n";
}

std::string scaling_plot(const BenchReport& report, Colours& colours) {
  std::string rows;
  for (const Contest& few : report.contests) {
    for (const Contest& many : report.contests) {
      if (few.name != many.name || few.mode != many.mode || few.batch != many.batch ||
          few.threads >= many.threads) {
        continue;
      }
      std::string bars;
      for (const Contestant& c : few.contestants) {
        const auto found = speedup(few, many, c.name);
        if (!found) continue;
        const double most = static_cast<double>(many.threads) / few.threads;
        bars += "<div class=\"row\"><div class=\"stack\"><i style=\"width:" +
                text_of("%.1f%%;", std::min(100.0, 100 * found->median / most)) +
                colours.style(c.name) + "\"></i></div><div class=\"fig\"><b>" +
                text_of("%.2f", found->median) + "</b><span>" + escape_html(c.name) +
                "</span><span>" + text_of("%.2f..", found->least) + text_of("%.2f", found->most) +
                "</span></div></div>\n";
      }
      if (bars.empty()) continue;
      const std::string name = few.op_case != nullptr ? few.name
                                                      : few.name + " " + name_of(few.mode) +
                                                            ", batch " + std::to_string(few.batch);
      rows += "<div class=\"case\"><div class=\"name\">" + escape_html(name) + ", " +
              std::to_string(many.threads) + " over " + std::to_string(few.threads) +
              "</div><div>" + bars + "</div></div>\n";
    }
  }
  if (rows.empty()) return "";
  return "<section><h2>More threads</h2><p>Times as fast; a full bar is as many times as there are "
         "threads more.</p>\n" +
         rows + "</section>\n";
}

std::string moves_list(const Moves& moves) {
  std::string html = "<section><h2>Against " + escape_html(moves.file) + "</h2><p>" +
                     std::to_string(moves.same) + " within the spread of the rounds, " +
                     std::to_string(moves.unknown.size()) + " not in it.</p><ul>";
  const auto list = [&](const std::vector<Move>& moved, const char* mark) {
    for (const Move& m : moved) {
      html += "<li><code>" + escape_html(m.name) + "</code> <span" + mark + ">" +
              milliseconds(m.before_ms) + " to " + milliseconds(m.now_ms) + " ms (" +
              text_of("%+.0f %%", 100 * (m.now_ms / m.before_ms - 1)) + ")</span></li>";
    }
  };
  list(moves.slower, " class=\"bad\"");
  list(moves.faster, "");
  return html + "</ul></section>\n";
}
