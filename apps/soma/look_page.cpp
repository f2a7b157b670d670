#include "look_page.hpp"

#include <algorithm>
#include <cmath>

#include "html_page.hpp"
#include "lab/plot.hpp"
#include "report.hpp"
#include "soma/version.hpp"

namespace {

constexpr const char* kStyle = R"(
:root{--field:#e0401a}
@media(prefers-color-scheme:dark){:root{--field:#ff6a3d}}
html{scroll-padding-top:12px}h3{font-size:15px;margin:18px 0 6px}
nav{display:flex;flex-wrap:wrap;gap:4px 14px;margin:12px 0;font-size:14px}nav a{color:var(--focus);text-decoration:none;border-radius:4px}nav a:hover{text-decoration:underline}
.tiles{grid-template-columns:repeat(auto-fit,minmax(114px,1fr));gap:10px;margin:16px 0}
.tile b{font-size:20px;white-space:nowrap}section{overflow-x:auto}
.side{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,360px),1fr));gap:16px 26px;align-items:start}
.row{display:flex;flex-wrap:wrap;gap:16px 20px;align-items:flex-start}
figure{max-width:620px}figcaption{font-size:14px;margin-bottom:5px}.note{color:var(--soft);font-size:13px;margin-top:4px;line-height:1.4}
.shot figcaption{font-weight:400;font-size:13px;margin:0 0 3px}.shot .note{max-width:150px}
svg{width:100%;height:auto;display:block}
img{display:block;max-width:100%;height:auto;image-rendering:pixelated;border-radius:2px;outline:1px solid var(--line)}
.frame{position:relative;display:inline-block;max-width:100%}.frame i{position:absolute;border:2px solid var(--field);outline:1px solid rgba(0,0,0,.45);border-radius:1px}
.pair{display:flex;gap:6px;align-items:flex-end}
.ramp{display:inline-block;width:110px;height:9px;border-radius:3px;vertical-align:middle;margin:0 7px;border:1px solid var(--line)}
.signed{background:linear-gradient(90deg,rgb(51,120,237),rgba(51,120,237,0) 50%,rgba(235,105,36,0) 50%,rgb(235,105,36))}
.heat{background:linear-gradient(90deg,rgb(10,8,26),rgb(97,23,110),rgb(204,64,77),rgb(250,153,38),rgb(252,252,191))}
.window{display:block;white-space:pre-wrap;word-break:break-all;background:var(--bg);border:1px solid var(--line);border-radius:6px;padding:5px 8px;max-width:640px}
.window b{color:var(--field);background:rgba(224,64,26,.16);border-radius:2px}.window s{text-decoration:none;opacity:.42}
.band{fill:var(--field);fill-opacity:.16}
details{margin-top:8px}summary{color:var(--soft)}
@media print{nav{display:none}section{break-inside:avoid}}
)";

std::string anchor(const std::string& title) {
  std::string id;
  for (const char c : title) id += c >= 'a' && c <= 'z' ? c : c >= 'A' && c <= 'Z' ? c : '-';
  return id;
}

std::string number(double value) { return fixed_number(value, 1); }

std::string text_at(double x, double y, const char* place, const std::string& text) {
  return "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\" text-anchor=\"" + place + "\">" +
         escape_html(text) + "</text>";
}

/// A round step of which four to eight make `range`.
double round_step(double range) {
  const double raw = range / 5, power = std::pow(10, std::floor(std::log10(raw)));
  const double lead = raw / power;
  return power * (lead <= 1 ? 1 : lead <= 2 ? 2 : lead <= 5 ? 5 : 10);
}

std::string drawn_series(std::span<const float> values, const soma::Shape& shape,
                         const soma::ReceptiveField* field, double width, const std::string& alt) {
  constexpr double kHeight = 110, kLeft = 34, kBottom = 18;
  const auto steps = static_cast<std::size_t>(shape[0]);
  const auto channels = static_cast<std::size_t>(shape[1]);
  const auto [least, most] = std::ranges::minmax(values);
  const double range = most > least ? double{most} - least : 1;
  const auto x = [&](double t) {
    return kLeft + t / static_cast<double>(steps) * (width - kLeft - 4);
  };
  const auto y = [&](double v) { return 5 + (1 - (v - least) / range) * (kHeight - kBottom - 10); };
  std::string svg = "<svg viewBox=\"0 0 " + number(width) + " " + number(kHeight) +
                    "\" style=\"max-width:" + number(width) + "px\" role=\"img\" aria-label=\"" +
                    escape_html(alt) + "\">";
  if (field != nullptr) {
    const double from = x(static_cast<double>(field->begin[0])),
                 to = x(static_cast<double>(field->end[0]));
    svg += "<rect class=\"band\" x=\"" + number(from) + "\" y=\"2\" width=\"" +
           number(std::max(1.0, to - from)) + "\" height=\"" + number(kHeight - kBottom - 2) +
           "\"/>";
  }
  for (std::size_t c = 0; c < std::min<std::size_t>(8, channels); ++c) {
    svg += "<g class=\"c" + std::to_string(c) + "\"><polyline points=\"";
    for (std::size_t t = 0; t < steps; ++t) {
      svg +=
          number(x(static_cast<double>(t) + 0.5)) + "," + number(y(values[t * channels + c])) + " ";
    }
    svg += "\"/></g>";
  }
  svg += "<line class=\"axis\" x1=\"" + number(kLeft) + "\" x2=\"" + number(width - 4) +
         "\" y1=\"" + number(kHeight - kBottom) + "\" y2=\"" + number(kHeight - kBottom) + "\"/>";
  svg += text_at(kLeft - 4, y(most) + 8, "end", brief_number(most)) +
         text_at(kLeft - 4, y(least), "end", brief_number(least)) +
         text_at(kLeft, kHeight - 4, "start", "step 0") +
         text_at(width - 4, kHeight - 4, "end", std::to_string(steps));
  return svg + "</svg>";
}

/// Characters: those outside the field pale, the last one in it marked.
std::string drawn_text(const Subject& subject, std::span<const float> values,
                       const soma::ReceptiveField* field) {
  std::string html = "<code class=\"window\">";
  for (std::size_t t = 0; t < values.size(); ++t) {
    std::string name = subject.class_name(static_cast<std::int64_t>(values[t]));
    if (name == "\n") name = "\u21b5";
    const auto at = static_cast<std::int64_t>(t);
    const bool inside = field == nullptr || (at >= field->begin[0] && at < field->end[0]);
    const bool last = field != nullptr && at + 1 == field->end[0];
    const std::string tag = last ? "b" : inside ? "" : "s";
    html += (tag.empty() ? "" : "<" + tag + ">") + escape_html(name) +
            (tag.empty() ? "" : "</" + tag + ">");
  }
  return html + "</code>";
}

/// Numbers of a record by name, in the units that people know.
std::string drawn_record(const Subject& subject, std::span<const float> values) {
  const soma::RecordFormat& format = subject.model().record_format();
  std::vector<double> units;
  std::string html = "<div class=\"scroll\"><table>";
  std::size_t shown = 0, e = 0;
  const auto row = [&](const std::string& name, const std::string& text) {
    if (++shown > 24) return;
    html +=
        "<tr><td>" + escape_html(name) + "</td><td class=\"n\">" + escape_html(text) + "</td></tr>";
  };
  if (!format.takes_records()) {
    for (; e < values.size(); ++e) row(subject.element_name(e), brief_number(values[e]));
  }
  for (std::size_t f = 0; f < format.fields.size(); ++f) {
    const soma::RecordField& field = format.fields[f];
    const auto width = static_cast<std::size_t>(field.width());
    if (format.target == f || width == 0 || e + width > values.size()) continue;
    if (field.kind == soma::RecordField::Kind::number) {
      row(field.name, brief_number(values[e] * field.deviation + field.mean));
    } else {
      const auto own = values.subspan(e, std::min(width, field.categories.size()));
      const auto best = std::ranges::max_element(own) - own.begin();
      row(field.name, own.empty() ? "" : field.categories[static_cast<std::size_t>(best)]);
    }
    e += width;
  }
  html += "</table></div>";
  if (shown > 24) html += "<div class=\"note\">and " + std::to_string(shown - 24) + " more</div>";
  return html;
}

bool is_whole(const soma::ReceptiveField& field) {
  return field.end[0] - field.begin[0] == field.shape[0] &&
         field.end[1] - field.begin[1] == field.shape[1];
}

}  // namespace

std::string LookPage::html() const {
  std::string nav, body;
  for (const Section& s : sections) {
    nav += "<a href=\"#" + anchor(s.title) + "\">" + escape_html(s.title) + "</a>";
    body += "<section tabindex=\"0\" id=\"" + anchor(s.title) + "\" aria-label=\"" +
            escape_html(s.title) + "\"><h2>" + escape_html(s.title) + "</h2>\n" + s.body +
            "</section>\n";
  }
  std::string row;
  for (const auto& [value, label] : tiles) {
    row += "<div class=\"tile\"><b>" + escape_html(value) + "</b><span>" + escape_html(label) +
           "</span></div>\n";
  }
  return page_start("Soma: " + title, kStyle + lab::figure_style()) + "<h1>" + escape_html(title) +
         "</h1>\n<p>" + lead + " Soma " + soma::version() + ".</p>\n<nav aria-label=\"Sections\">" +
         nav + "</nav>\n<div class=\"tiles\">\n" + row + "</div>\n" + body + page_end();
}

std::string named_bars(const std::string& title, const std::string& axis,
                       const std::vector<std::string>& names, const std::vector<double>& values) {
  constexpr double kWidth = 560, kRow = 21, kRight = 56, kTop = 6, kBottom = 40;
  double low = 0, high = 0;
  std::size_t longest = 1;
  for (const double v : values) {
    if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  }
  if (low == high) high = 1;
  for (const std::string& name : names) longest = std::max(longest, name.size());
  const double left = std::min(220.0, 16 + 7 * static_cast<double>(longest)) + (low < 0 ? 62 : 0);
  const double height = kTop + kRow * static_cast<double>(values.size()) + kBottom;
  const double base = height - kBottom;
  const auto x = [&](double v) {
    return left + (v - low) / (high - low) * (kWidth - left - kRight);
  };
  std::string svg = "<svg viewBox=\"0 0 560 " + number(height) + "\" role=\"img\" aria-label=\"" +
                    escape_html(title) + "\">";
  const double step = round_step(high - low);
  for (double tick = std::ceil(low / step - 1e-9) * step; tick <= high + step * 1e-6;
       tick += step) {
    const double value = std::abs(tick) < step * 1e-6 ? 0 : tick;
    svg += "<line class=\"grid\" x1=\"" + number(x(value)) + "\" x2=\"" + number(x(value)) +
           "\" y1=\"" + number(kTop) + "\" y2=\"" + number(base) + "\"/>" +
           text_at(x(value), base + 15, "middle", brief_number(value));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double y = kTop + kRow * static_cast<double>(i);
    svg += text_at((low < 0 ? left - 62 : left - 8), y + 15, "end", names[i]);
    if (!std::isfinite(values[i])) continue;
    const double from = x(std::min(0.0, values[i])), to = x(std::max(0.0, values[i]));
    svg += "<rect class=\"" + std::string(values[i] < 0 ? "c0" : "c1") + "\" x=\"" + number(from) +
           "\" y=\"" + number(y + 3) + "\" width=\"" + number(std::max(0.5, to - from)) +
           "\" height=\"" + number(kRow - 6) + "\" rx=\"2\"><title>" + escape_html(names[i]) +
           ": " + brief_number(values[i]) + "</title></rect>" +
           (values[i] < 0 ? text_at(from - 5, y + 15, "end", brief_number(values[i]))
                          : text_at(to + 5, y + 15, "start", brief_number(values[i])));
  }
  svg += "<line class=\"axis\" x1=\"" + number(x(0)) + "\" x2=\"" + number(x(0)) + "\" y1=\"" +
         number(kTop) + "\" y2=\"" + number(base) + "\"/>" +
         text_at((left + kWidth - kRight) / 2, height - 8, "middle", axis) + "</svg>";
  return figure(title, svg);
}

std::string figure(const std::string& caption, const std::string& body, const std::string& note) {
  return "<figure>" +
         (caption.empty() ? "" : "<figcaption>" + escape_html(caption) + "</figcaption>") + body +
         (note.empty() ? "" : "<div class=\"note\">" + note + "</div>") + "</figure>\n";
}

std::string signed_key(double most) {
  return "&minus;" + brief_number(most) + "<span class=\"ramp signed\"></span>+" +
         brief_number(most);
}

std::string heat_key(const std::string& most) {
  return "0<span class=\"ramp heat\"></span>" + escape_html(most);
}

Picture photograph_of(const Subject& subject, std::span<const float> values) {
  const soma::Shape& shape = subject.model().input_shape();
  return photograph(values, shape[0], shape[1], shape[2], subject.low, subject.high);
}

std::string outlined(const std::string& image, const soma::ReceptiveField& field) {
  if (is_whole(field)) return "<span class=\"frame\">" + image + "</span>";
  const auto share = [&](std::size_t axis, std::int64_t from, std::int64_t to) {
    return fixed_number(100 * static_cast<double>(to - from) /
                            static_cast<double>(field.shape[static_cast<int>(axis)]),
                        2);
  };
  return "<span class=\"frame\">" + image + "<i style=\"left:" + share(1, 0, field.begin[1]) +
         "%;top:" + share(0, 0, field.begin[0]) +
         "%;width:" + share(1, field.begin[1], field.end[1]) +
         "%;height:" + share(0, field.begin[0], field.end[0]) + "%\"></i></span>";
}

std::string drawn_sample(const Subject& subject, std::span<const float> values,
                         const soma::ReceptiveField* field, double width, const std::string& alt) {
  const soma::Shape& shape = subject.model().input_shape();
  switch (subject.kind) {
    case Subject::Kind::image: {
      const std::string image =
          img(photograph_of(subject, values), width / static_cast<double>(shape[1]), alt);
      return field == nullptr ? "<span class=\"frame\">" + image + "</span>"
                              : outlined(image, *field);
    }
    case Subject::Kind::series:
      return drawn_series(values, shape, field, 2.2 * width, alt);
    case Subject::Kind::text:
      return drawn_text(subject, values, field);
    case Subject::Kind::record:
      return drawn_record(subject, values);
  }
  return "";
}

std::string drawn_patch(const Subject& subject, std::span<const float> values,
                        const soma::ReceptiveField& field, double width, const std::string& alt) {
  if (subject.kind != Subject::Kind::image || is_whole(field)) return "";
  const std::int64_t rows = field.end[0] - field.begin[0], columns = field.end[1] - field.begin[1];
  const Picture patch =
      photograph_of(subject, values).part(field.begin[0], field.begin[1], rows, columns);
  return img(patch, width / static_cast<double>(std::max(rows, columns)), alt);
}
