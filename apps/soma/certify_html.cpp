#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench_report.hpp"
#include "certify_report.hpp"
#include "html_page.hpp"
#include "report.hpp"

using namespace soma::conformance;
using nlohmann::ordered_json;

namespace {

constexpr const char* kStyle = R"(
:root{--good:#e3f3e9;--good-text:#14663f;
--bad:#fbe3e1;--bad-text:#a3231b;--none:#f0f1f3}
@media(prefers-color-scheme:dark){:root{--good:#173527;
--good-text:#7fd6a8;--bad:#43211f;--bad-text:#ff9a92;--none:#22262e}}
h1{margin:0 0 4px}h2{font-size:18px;margin:0 0 4px}p{margin:4px 0}code,pre,.mono{font:13px/1.5 ui-monospace,monospace;overflow-wrap:anywhere}
.verdict{display:inline-block;padding:2px 12px;border-radius:99px;font-weight:600}.yes{background:var(--good);color:var(--good-text)}.no{background:var(--bad);color:var(--bad-text)}
dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 16px;margin:14px 0;font-size:14px}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.tiles{grid-template-columns:repeat(auto-fit,minmax(118px,1fr));gap:8px;margin:16px 0}.tile{padding:8px 12px;border-top:3px solid var(--good-text)}
.tile.bad{border-top-color:var(--bad-text)}.tile b{font-size:14px;overflow-wrap:anywhere}.tile span{display:block;font-variant-numeric:tabular-nums}.tile .big{font-size:20px;color:var(--text)}
.tools{display:flex;gap:6px 20px;flex-wrap:wrap;align-items:center;margin:16px 0 8px}.tools label{color:var(--soft)}input[type=search]{font:inherit;color:inherit;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:5px 10px;width:240px;max-width:100%}
.scroll{overflow:auto;max-height:88vh;border:1px solid var(--line);border-radius:10px;background:var(--card)}table{width:100%}th,td{border-bottom:0;white-space:normal}
th{color:inherit;font-weight:600;padding:8px 10px;font-size:13px}thead th{position:sticky;top:0;z-index:2;background:var(--card);border-bottom:1px solid var(--line)}thead th:first-child{left:0;z-index:3}tbody tr:hover th{color:var(--focus)}thead span{display:block;font-weight:400;color:var(--soft)}
tbody th{position:sticky;left:0;background:var(--card);font:13px/1.4 ui-monospace,monospace;white-space:nowrap;border-right:1px solid var(--line)}tbody td{padding:2px}
.cell{display:block;position:relative;overflow:hidden;white-space:nowrap;width:100%;min-width:74px;border:0;border-radius:6px;padding:5px 8px;font:inherit;font-size:13px;text-align:left;cursor:pointer;font-variant-numeric:tabular-nums}
.cell.ok{background:var(--good);color:var(--good-text)}.cell.fail{background:var(--bad);color:var(--bad-text);font-weight:600}.cell.none{background:var(--none);color:var(--soft)}
.cell small{opacity:.8;margin-left:6px}.cell::after{content:"";position:absolute;left:0;bottom:0;height:3px;width:calc(100%*var(--share,0));background:currentColor;opacity:.45}
.cell:hover{filter:brightness(1.06)}:focus-visible{outline-offset:1px}
dialog{border:1px solid var(--line);border-radius:12px;background:var(--card);color:var(--text);width:min(900px,94vw);max-height:88vh;padding:18px 20px}dialog::backdrop{background:#0008}
.close{float:right;font:inherit;color:inherit;background:var(--none);border:0;border-radius:8px;padding:4px 12px;cursor:pointer}
.cases{margin:12px 0 0;padding:0;list-style:none}.cases li{border-top:1px solid var(--line);padding:7px 0}.row{display:flex;gap:12px;justify-content:space-between;flex-wrap:wrap}
.row span:last-child{color:var(--soft);font-size:13px;font-variant-numeric:tabular-nums}.cases .fail{color:var(--bad-text);font-weight:600}pre{white-space:pre-wrap;margin:4px 0;background:var(--none);border-radius:6px;padding:6px 10px}
.copy{font:inherit;font-size:12px;border:1px solid var(--line);border-radius:6px;background:none;color:inherit;cursor:pointer}
@media(max-width:640px){dl{gap:2px 10px;font-size:13px}.tiles{grid-template-columns:repeat(4,minmax(0,1fr));gap:5px}.tile{padding:5px 6px}.tile b{font-size:11px}.tile .big{font-size:15px}.tile span{font-size:11px}
tbody th{max-width:42vw;white-space:normal;font-size:12px;padding:4px 8px}.cell{min-width:66px;padding:5px 6px}}
@media print{.tools,dialog{display:none}.scroll{overflow:visible;max-height:none}}
)";

// Cells are made by the server; their cases are put into the one dialog when it opens.
constexpr const char* kScript = R"(
const data=JSON.parse(document.getElementById('data').textContent);
const dialog=document.querySelector('dialog'),box=dialog.querySelector('div');
const make=(tag,text,cls)=>{const e=document.createElement(tag);if(text!==undefined)e.textContent=text;if(cls)e.className=cls;return e};
const share=s=>s?(s<1000?s.toFixed(3):s.toExponential(1))+' of bound':'';
function entry(cell,c){
  const [name,checks,worst,refused,failures]=c,li=make('li'),row=make('div',undefined,'row');
  row.append(make('code',name,failures.length?'fail':''),
    make('span',refused?'refused':[failures.length?'failed':'passed',checks+(checks===1?' check':' checks'),share(worst)].filter(x=>x).join(', ')));
  li.append(row);
  if(refused)li.append(make('p',refused));
  for(const [check,message] of failures)li.append(make('pre',check+': '+message));
  const command=data.rerun+' --level '+cell.level+' --case '+name,details=make('details'),line=make('pre',command),copy=make('button','copy','copy');
  details.append(make('summary','rerun this case alone'),line,copy);details.open=failures.length>0;
  copy.onclick=()=>navigator.clipboard&&navigator.clipboard.writeText(command).then(()=>{copy.textContent='copied'},()=>{});
  li.append(details);return li}
function show(number){
  const cell=data.cells[number];
  box.replaceChildren(make('h2',cell.op+', '+cell.level+' '+cell.title),
    make('p',cell.cases.length+' cases, '+cell.cases.filter(c=>c[4].length).length+' failed, '+cell.cases.filter(c=>c[3]).length+' refused; worst '+(share(cell.worst)||'error: none measured')));
  if(cell.times)box.append(make('pre',cell.times));
  const list=make('ul',undefined,'cases'),order=[...cell.cases].sort((a,b)=>b[4].length-a[4].length);
  for(const c of order)list.append(entry(cell,c));
  box.append(list);dialog.showModal();dialog.scrollTop=0}
document.querySelectorAll('.cell').forEach(b=>b.addEventListener('click',()=>show(Number(b.dataset.cell))));
dialog.querySelector('.close').addEventListener('click',()=>dialog.close());
dialog.addEventListener('click',e=>{if(e.target===dialog)dialog.close()});
const filter=document.getElementById('filter'),failed=document.getElementById('failed'),rows=[...document.querySelectorAll('tbody tr')];
const narrow=()=>{const part=filter.value.toLowerCase();
  rows.forEach(r=>{r.hidden=!r.dataset.op.includes(part)||(failed.checked&&!r.querySelector('.fail'))})};
filter.addEventListener('input',narrow);failed.addEventListener('change',narrow);
// Arrow keys go from cell to cell: along the row, or to the next row that has one in that column.
const step={ArrowLeft:[0,-1],ArrowRight:[0,1],ArrowUp:[-1,0],ArrowDown:[1,0]};
document.querySelector('tbody').addEventListener('keydown',e=>{
  const by=step[e.key],from=e.target.closest('td');
  if(!by||!from)return;
  const shown=rows.filter(r=>!r.hidden);
  for(let r=shown.indexOf(from.parentElement)+by[0],c=from.cellIndex+by[1];shown[r]&&c>0&&c<shown[r].cells.length;r+=by[0],c+=by[1]){
    const cell=shown[r].cells[c].querySelector('.cell');
    if(cell){cell.focus();e.preventDefault();return}}});
)";

std::string share_text(double share) {
  if (share == 0) return "";
  char text[32];
  std::snprintf(text, sizeof text, share < 1e3 ? "%.2f" : "%.0e", share);
  return text;
}

/// "tbb 1.20 ms, onednn 0.8 ms"
std::string times_of(const Certificate& certificate, const std::string& op) {
  const auto row = std::ranges::find(certificate.speed, op, &SpeedRow::op);
  if (row == certificate.speed.end()) return "";
  std::string text;
  for (const auto& [contestant, ms] : row->milliseconds) {
    text += (text.empty() ? "" : ", ") + contestant + " " + milliseconds(ms) + " ms";
  }
  return text;
}

ordered_json cell_data(const Certificate& certificate, const Cell& cell) {
  auto cases = ordered_json::array();
  for (const auto& [item, verdict] : certificate.results) {
    if (item.level != cell.level || item.op != cell.op) continue;
    auto failures = ordered_json::array();
    for (const Failure& f : verdict.failures) failures.push_back({f.check, f.message});
    cases.push_back({item.name, verdict.checks, verdict.worst_share, verdict.refused, failures});
  }
  ordered_json data{{"level", code_of(cell.level)},
                    {"title", title_of(cell.level)},
                    {"op", cell.op},
                    {"worst", cell.worst_share},
                    {"cases", cases}};
  if (cell.level == Level::speed) data["times"] = times_of(certificate, cell.op);
  return data;
}

std::string button(const Certificate& certificate, const Cell& cell, std::size_t number) {
  const bool nothing = cell.refused == cell.cases;
  const std::string kind = cell.failed > 0 ? "fail" : nothing ? "none" : "ok";
  std::string text = cell.failed > 0 ? "\xE2\x9C\x97 " + std::to_string(cell.failed) + "/" +
                                           std::to_string(cell.cases)
                     : nothing ? "declined"
                               : "\xE2\x9C\x93 " + std::to_string(cell.cases);
  if (cell.level == Level::speed) {
    const auto row = std::ranges::find(certificate.speed, cell.op, &SpeedRow::op);
    const auto own = row->milliseconds.find(certificate.plugin);
    text = own == row->milliseconds.end() ? "-"
           : own->second < 1              ? milliseconds(1e3 * own->second) + " \xC2\xB5s"
                                          : milliseconds(own->second) + " ms";
  }
  const std::string worst = share_text(cell.worst_share);
  char bar[48] = "";
  if (!worst.empty()) {
    std::snprintf(bar, sizeof bar, " style=\"--share:%.2f\"", std::min(1.0, cell.worst_share));
  }
  const std::string label = cell.op + ", " + code_of(cell.level) + " " + title_of(cell.level) +
                            ": " + std::to_string(cell.cases) + " cases, " +
                            std::to_string(cell.failed) + " failed";
  return "<td><button class=\"cell " + kind + "\" data-cell=\"" + std::to_string(number) +
         "\" aria-haspopup=\"dialog\" aria-label=\"" + escape_html(label) + "\"" + bar + ">" +
         text + (worst.empty() ? "" : "<small>" + worst + "</small>") + "</button></td>";
}

std::string matrix(const Certificate& certificate, const std::vector<Cell>& cells) {
  std::vector<Level> levels;
  std::vector<std::string> ops;
  for (const Cell& cell : cells) {
    if (std::ranges::find(levels, cell.level) == levels.end()) levels.push_back(cell.level);
    if (std::ranges::find(ops, cell.op) == ops.end()) ops.push_back(cell.op);
  }
  std::string html = "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">op</th>";
  for (const Level level : levels) {
    html += std::string("<th scope=\"col\">") + code_of(level) + "<span>" + title_of(level) +
            "</span></th>";
  }
  html += "</tr></thead><tbody>\n";
  for (const std::string& op : ops) {
    html +=
        "<tr data-op=\"" + escape_html(op) + "\"><th scope=\"row\">" + escape_html(op) + "</th>";
    for (const Level level : levels) {
      const auto cell = std::ranges::find_if(
          cells, [&](const Cell& c) { return c.op == op && c.level == level; });
      html += cell == cells.end()
                  ? "<td></td>"
                  : button(certificate, *cell, static_cast<std::size_t>(cell - cells.begin()));
    }
    html += "</tr>\n";
  }
  return html + "</tbody></table></div>\n";
}

/// One tile per level: how many cases, and the worst error.
std::string tiles(const std::vector<Cell>& cells) {
  std::string html = "<div class=\"tiles\">";
  for (const Level level : kLevels) {
    int cases = 0, failed = 0;
    double worst = 0;
    for (const Cell& cell : cells) {
      if (cell.level != level) continue;
      cases += cell.cases;
      failed += cell.failed;
      worst = std::max(worst, cell.worst_share);
    }
    if (cases == 0) continue;
    const std::string share = share_text(worst);
    html += std::string("<div class=\"tile") + (failed > 0 ? " bad" : "") + "\"><b>" +
            code_of(level) + " " + title_of(level) + "</b><span class=\"big\">" +
            (failed > 0 ? "\xE2\x9C\x97 " + std::to_string(failed) + "/" : "\xE2\x9C\x93 ") +
            std::to_string(cases) + "</span><span>" +
            (share.empty() ? "" : "worst " + share + " of bound") + "</span></div>";
  }
  return html + "</div>\n";
}

std::string fact(const char* name, const std::string& value) {
  return std::string("<dt>") + name + "</dt><dd>" + escape_html(value) + "</dd>";
}

/// JSON inside a script element: nothing in it may end that element.
std::string embedded(const ordered_json& data) {
  std::string text = data.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  for (std::size_t at = 0; (at = text.find("</", at)) != std::string::npos; at += 3) {
    text.replace(at, 2, "<\\/");
  }
  return text;
}

}  // namespace

std::string certificate_html(const Certificate& certificate) {
  const CertifyRequest& request = certificate.request;
  const std::vector<Cell> cells = cells_of(certificate);
  ordered_json data{{"rerun", certificate.rerun_start()}, {"cells", ordered_json::array()}};
  int cases = 0, failed = 0;
  for (const Cell& cell : cells) {
    data["cells"].push_back(cell_data(certificate, cell));
    cases += cell.cases;
    failed += cell.failed;
  }
  const std::string title = "Certificate of " + request.subject;
  std::string unclaimed;
  for (const std::string& op : certificate.unclaimed)
    unclaimed += (unclaimed.empty() ? "" : ", ") + op;
  char time[32];
  std::snprintf(time, sizeof time, "%.0f s", certificate.seconds);
  return page_start(title, kStyle) + "<h1>" + escape_html(title) +
         "</h1>\n<p><span class=\"verdict " +
         (certificate.passed() ? "yes\">passed" : "no\">failed") + "</span> " +
         std::to_string(cases) + " cases, " + std::to_string(failed) + " failed</p>\n<dl>" +
         fact("file", request.file.string()) + fact("SHA-256", certificate.sha256) +
         fact("brings", certificate.kind + " " + certificate.plugin + " " + certificate.version) +
         fact("numerics", name_of(request.options.numerics)) +
         fact("seed",
              std::to_string(request.options.seed) + (request.options.full ? ", full" : "")) +
         fact("host", host_build()) + fact("CPU", cpu_name()) + fact("took", time) +
         (unclaimed.empty() ? "" : fact("not claimed", unclaimed)) + "</dl>\n" + tiles(cells) +
         "<p>Each cell says how many cases passed, or how many failed of how many, and the worst "
         "error as a share of its bound. Open one for its cases; arrow keys go from one to the "
         "next.</p>\n<div class=\"tools\"><label>only ops with <input id=\"filter\" "
         "type=\"search\"></label><label><input id=\"failed\" type=\"checkbox\"> only what "
         "failed</label></div>\n" +
         matrix(certificate, cells) +
         "<dialog aria-label=\"cases\"><button class=\"close\">close</button><div></div></dialog>\n"
         "<script type=\"application/json\" id=\"data\">" +
         embedded(data) + "</script>\n<script>" + kScript + "</script>\n" + page_end();
}
