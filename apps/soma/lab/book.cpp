#include "book.hpp"

#include <algorithm>
#include <sstream>

#include "html_page.hpp"
#include "plot.hpp"
#include "report.hpp"

namespace lab {
namespace {

constexpr const char* kStyle = R"(
:root{--yes:#14663f;--yes-bg:#e3f3e9;--no:#a3231b;--no-bg:#fbe3e1}
@media(prefers-color-scheme:dark){:root{--yes:#7fd6a8;--yes-bg:#173527;--no:#ff9a92;--no-bg:#43211f}}
html{scroll-padding-top:12px}body{max-width:none;padding:0;line-height:1.55}
.page{display:grid;grid-template-columns:250px minmax(0,1fr);max-width:1280px;margin:0 auto}
nav{position:sticky;top:0;align-self:start;max-height:100vh;overflow-y:auto;padding:26px 16px;border-right:1px solid var(--line);font-size:13.5px}
nav b{display:block;margin:14px 0 4px}nav a{display:flex;gap:6px;color:inherit;text-decoration:none;padding:2px 6px;border-radius:6px}nav a:hover{background:var(--line)}
nav a span{margin-left:auto}main{padding:26px 30px;min-width:0}h1{font-size:26px;margin:0 0 4px}h2{font-size:21px;margin:38px 0 2px}h3{font-size:17px;margin:0}
p{margin:6px 0;color:inherit}.soft{color:var(--soft)}article{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:16px 20px;margin:14px 0}
.head{display:flex;gap:10px;align-items:baseline;flex-wrap:wrap}.verdict{padding:1px 11px;border-radius:99px;font-weight:600;font-size:13px}
.yes{background:var(--yes-bg);color:var(--yes)}.no{background:var(--no-bg);color:var(--no)}.s{font:12px ui-monospace,monospace;color:var(--soft)}
.claim{font-style:italic}.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,380px),1fr));gap:12px 22px;margin-top:10px}
figure{max-width:620px}figcaption{font-size:14px}svg{width:100%;height:auto}
img{max-width:100%;image-rendering:pixelated}
table{font-size:13.5px}th{color:inherit;font-weight:600}th,td{padding:3px 10px;white-space:normal}
details{margin-top:8px}summary{color:var(--soft)}
.scroll{overflow-x:auto}
@media(max-width:860px){.page{grid-template-columns:1fr}nav{position:static;max-height:none;border-right:0;border-bottom:1px solid var(--line)}main{padding:18px 12px}article{padding:14px 12px}}
@media print{nav{display:none}.page{display:block}article{break-inside:avoid}}
)";

std::string article(const Outcome& o) {
  const Experiment& e = *o.experiment;
  const bool measured = o.error.empty();
  const char* verdict = !measured ? "not measured" : o.finding.holds ? "holds" : "does not hold";
  std::string html = "<article id=\"" + std::string(e.id) + "\"><div class=\"head\"><h3>" +
                     escape_html(e.title) + "</h3><span class=\"s\">" + escape_html(e.concepts) +
                     "</span><span class=\"verdict " +
                     (measured && o.finding.holds ? "yes" : "no") + "\">" + verdict +
                     "</span></div>\n<p class=\"claim\">" + escape_html(e.claim) + "</p>\n<p>" +
                     escape_html(measured ? o.finding.measured : o.error) + "</p>\n";
  if (!o.finding.picture.empty())
    html += "<div class=\"figures\">" + o.finding.picture + "</div>\n";
  html += "<details><summary>How it was measured</summary><p>" + escape_html(e.method) +
          "</p><p class=\"soft\">To see that it can fail: "
          "the tests run it once with a fault, which " +
          escape_html(e.sabotage) + ".</p>";
  if (!o.finding.figures.empty()) {
    html += "<div class=\"scroll\"><table>";
    for (const Figure& f : o.finding.figures) {
      html += "<tr><td>" + escape_html(f.name) + "</td><td class=\"n\">" + text_of(f.value, 6) +
              "</td></tr>";
    }
    html += "</table></div>";
  }
  if (!o.finding.seeds.empty()) {
    html += "<p class=\"soft\">" + std::string(o.finding.seeds.size() == 1 ? "Seed " : "Seeds ");
    for (std::size_t i = 0; i < o.finding.seeds.size(); ++i)
      html += (i ? ", " : "") + std::to_string(o.finding.seeds[i]);
    html += ".</p>";
  }
  return html + "<p><code>" + escape_html(o.command) + "</code> <span class=\"soft\">" +
         text_of(o.seconds, 2) + " s</span></p></details></article>\n";
}

}  // namespace

std::vector<std::string> concepts_of(const Experiment& experiment) {
  std::istringstream words(experiment.concepts);
  std::vector<std::string> list;
  for (std::string word; words >> word;) list.push_back(word);
  return list;
}

std::string book_html(const std::vector<Outcome>& outcomes, const Edition& edition) {
  const auto holding = std::ranges::count_if(
      outcomes, [](const Outcome& o) { return o.error.empty() && o.finding.holds; });
  std::string nav, body;
  const Chapter* chapter = nullptr;
  for (const Outcome& o : outcomes) {
    if (o.chapter != chapter) {
      chapter = o.chapter;
      nav += "<b>" + escape_html(chapter->title) + "</b>";
      body += "<h2>" + escape_html(chapter->title) + "</h2><p class=\"soft\">" +
              escape_html(chapter->about) + "</p>\n";
    }
    nav += "<a href=\"#" + std::string(o.experiment->id) + "\">" +
           escape_html(o.experiment->title) + "<span>" +
           (!o.error.empty()  ? "?"
            : o.finding.holds ? "&#10003;"
                              : "&#10007;") +
           "</span></a>";
    body += article(o);
  }
  return page_start("The neuron, measured", kStyle + figure_style()) +
         "<div class=\"page\"><nav aria-label=\"Experiments\">"
         "<a href=\"#top\">Top</a>" +
         nav +
         "</nav><main id=\"top\"><h1>The neuron, measured</h1><p>What textbooks say of artificial "
         "neurons, "
         "each claim decided by a measurement on this machine. " +
         std::to_string(holding) + " of " + std::to_string(outcomes.size()) +
         " hold.</p><p class=\"soft\">Soma " + escape_html(edition.version) + ", backend " +
         escape_html(edition.backend) + " (" + edition.numerics + "), " +
         std::to_string(edition.threads) + (edition.threads == 1 ? " thread, " : " threads, ") +
         escape_html(edition.cpu) +
         (edition.quick ? "; quick edition: fewer seeds, smaller sizes" : "") + ".</p>\n" + body +
         "</main></div>" + page_end();
}

}  // namespace lab
