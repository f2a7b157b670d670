#include <algorithm>
#include <cstdio>

#include "bench_plots.hpp"
#include "html_page.hpp"
#include "report.hpp"

namespace {

// Bars are drawn up to this many times the base; longer ones are cut and say so.
constexpr double kWidest = 4;

constexpr const char* kStyle = R"(
:root{--bad:#c0342b;--c0:#8a93a3;--c1:#c98a1b;--c2:#2563c9;--c3:#6d4bc4;--c4:#178a63;--c5:#b0447f;--c6:#4b93a8}
@media(prefers-color-scheme:dark){:root{--bad:#ff8178;--c0:#7d8798;--c1:#e0b04f;--c2:#6ea8ff;--c3:#a98cf5;--c4:#4cc79a;--c5:#e587b8;--c6:#74c3da}}
p{margin:4px 0}
.key{margin:14px 0;display:flex;flex-wrap:wrap;gap:6px 18px}.key span:before{content:"";display:inline-block;
width:11px;height:11px;border-radius:3px;margin-right:6px;background:var(--c)}
.case{display:grid;grid-template-columns:210px 1fr;column-gap:14px;padding:8px 0;border-top:1px solid var(--line)}
.case:first-of-type{border-top:0}.name{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
.row{display:grid;grid-template-columns:minmax(0,1fr) 232px;column-gap:12px;align-items:center}
.track{position:relative;height:11px}.track:after{content:"";position:absolute;left:25%;top:-3px;bottom:-3px;
border-left:1px dashed var(--soft)}
.bar{height:11px;border-radius:0 3px 3px 0;background:var(--c);min-width:2px}
.stack{display:flex;height:11px;border-radius:3px;overflow:hidden;background:var(--line)}
.stack i{background:var(--c);height:11px}svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--soft)}.grid{stroke:var(--line)}.roof{fill:none;stroke:var(--soft);stroke-width:1.2}
circle{fill:var(--c);fill-opacity:.75}
.cut{-webkit-mask:linear-gradient(90deg,#000 92%,transparent);mask:linear-gradient(90deg,#000 92%,transparent)}
.fig{font-size:12.5px;font-variant-numeric:tabular-nums;color:var(--soft);white-space:nowrap}
.row .fig{display:grid;grid-template-columns:40px 1fr auto;column-gap:8px}.fig b{color:var(--text);font-weight:600}.bad{color:var(--bad)}li{margin:2px 0}ul{margin:0;padding-left:20px}
@media(max-width:640px){.case{grid-template-columns:1fr}.row{grid-template-columns:minmax(0,1fr) 196px}.fig{font-size:11px}.row .fig{grid-template-columns:30px 1fr auto}}
)";

std::string text_of(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Raw oneDNN if it ran, else the contestant with the smallest median; null if none ran.
const Contestant* base_of(const Contest& contest) {
  const Contestant* raw = contest.find("raw");
  if (raw != nullptr && raw->ran()) return raw;
  const Contestant* best = nullptr;
  for (const Contestant& c : contest.contestants) {
    if (!c.ran()) continue;
    if (best == nullptr || spread(c.medians()).median < spread(best->medians()).median) best = &c;
  }
  return best;
}

std::string bar(const Contestant& c, const Contestant* base, Colours& colours) {
  const auto r = ratio(&c, base);
  if (!r) return "";
  const double share = std::min(r->median / kWidest, 1.0) * 100;
  std::string title = c.name + ", " + text_of("%.2f", r->least) + " to " +
                      text_of("%.2f", r->most) + " x " + base->name;
  if (!c.implementation.empty()) title += ", " + c.implementation;
  return "<div class=\"row\" title=\"" + escape_html(title) +
         "\"><div class=\"track\"><div class=\"bar" + (r->median > kWidest ? " cut" : "") +
         "\" style=\"width:" + text_of("%.1f%%;", share) + colours.style(c.name) +
         "\"></div></div><div class=\"fig\"><b>" + text_of("%.2f", r->median) + "</b><span>" +
         escape_html(c.name) + "</span><span>" + milliseconds(spread(c.medians()).median) +
         " ms</span>"
         "</div></div>\n";
}

std::string case_html(const Contest& contest, const BenchReport& report, Colours& colours) {
  const Contestant* base = base_of(contest);
  std::string html = "<div class=\"case\"><div class=\"name\">" +
                     escape_html(contest_title(contest, report)) + "</div><div>\n";
  for (const Contestant& c : contest.contestants) html += bar(c, base, colours);
  for (const Contestant& c : contest.contestants) {
    if (!c.ran() && !is_peer(c.name)) {
      html += "<div class=\"fig bad\">" + escape_html(c.name + ": " + c.reason) + "</div>\n";
    }
  }
  return html + "</div></div>\n";
}

}  // namespace

std::string bench_html(const BenchReport& report) {
  Colours colours;
  for (const Contest& contest : report.contests) {
    for (const Contestant& c : contest.contestants) colours.style(c.name);
  }
  std::string html =
      page_start("Soma: benchmark", kStyle) + "<h1>Benchmark</h1>\n<p>" +
      escape_html(bench_headline(report)) +
      "</p>\n<p>Times against raw oneDNN (the dashed line, 1 = equal) or, where it has no such "
      "primitive, against the fastest; shorter is better. Bars end at 4; point at one for the "
      "spread over the rounds.</p>\n";
  for (const std::string& note : report.notes) html += "<p>" + escape_html(note) + "</p>\n";
  html += colours.key();
  if (report.gate || !report.missed.empty()) {
    html += "<section><h2>Targets</h2>";
    if (report.missed.empty()) html += "<p>Every target that could be checked is met.</p>";
    html += "<ul>";
    for (const Miss& miss : report.missed) {
      html += "<li><code>" + escape_html(miss.name) + "</code> " + escape_html(miss.target) +
              ": <span class=\"bad\">" + escape_html(miss.found) + "</span></li>";
    }
    html += "</ul></section>\n";
  }
  if (report.moves) html += moves_list(*report.moves);
  html += roofline_plot(report, colours) + step_plot(report) + scaling_plot(report, colours);
  std::vector<std::string> groups;
  for (const Contest& contest : report.contests) {
    if (std::ranges::find(groups, contest.group) == groups.end()) groups.push_back(contest.group);
  }
  for (const std::string& group : groups) {
    html += "<section><h2>" + escape_html(group) + "</h2>\n";
    for (const Contest& contest : report.contests) {
      if (contest.group == group) html += case_html(contest, report, colours);
    }
    html += "</section>\n";
  }
  return html + page_end();
}
