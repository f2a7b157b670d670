#include "html_page.hpp"

#include "report.hpp"

namespace {

constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--text:#1d2330;--soft:#5b6577;--line:#e3e6eb;--focus:#2563c9}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1c2027;--text:#e6e9ef;--soft:#a3acbd;--line:#313742;--focus:#6ea8ff}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1200px;padding:28px 20px;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0;overflow-wrap:anywhere}h2{font-size:17px;margin:0 0 8px}
p{margin:4px 0 10px;color:var(--soft)}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:12px;margin:18px 0}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:21px;font-weight:600}.tile span{color:var(--soft);font-size:13px}
section{margin:0 0 14px}figure{margin:0}figcaption{font-weight:600}
table{border-collapse:collapse;font-size:14px}th{color:var(--soft);font-weight:500}
th,td{padding:4px 10px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
summary{cursor:pointer}:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
@media(max-width:640px){body{padding:16px 10px}.tile,section{padding:11px 12px}th,td{padding:4px 7px}}
)";

}  // namespace

std::string page_start(const std::string& title, const std::string& style) {
  return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width,initial-scale=1\"><title>" +
         escape_html(title) + "</title><style>" + kStyle + style + "</style></head><body>\n";
}

std::string page_end() { return "</body></html>\n"; }
