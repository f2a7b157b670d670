#include "report.hpp"

#include <algorithm>
#include <cstdio>

#include "chart.hpp"
#include "session.hpp"
#include "soma/version.hpp"

namespace {

// Colours: one set of names, two palettes; the browser's wish decides.
constexpr const char* kStyle = R"(
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--text:#1d2330;--soft:#667085;--line:#e3e6eb;
--train:#2563c9;--test:#d9622b;--hit:37,99,201;--miss:217,98,43}
@media(prefers-color-scheme:dark){:root{--bg:#14171c;--card:#1c2027;--text:#e6e9ef;--soft:#98a2b3;--line:#313742;
--train:#6ea8ff;--test:#ff9a66;--hit:110,168,255;--miss:255,154,102}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1200px;padding:28px 20px;background:var(--bg);color:var(--text);
font:15px/1.5 system-ui,sans-serif}
h1{font-size:24px;margin:0}h2{font-size:17px;margin:0 0 10px}
p{margin:4px 0;color:var(--soft)}code{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin:18px 0}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.tile b{display:block;font-size:21px;font-weight:600}.tile span{color:var(--soft);font-size:13px}
section{margin:0 0 14px;overflow-x:auto}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));column-gap:14px}
figure{margin:0}figcaption{font-weight:600}svg{width:100%;height:auto}
svg text{fill:var(--soft);font-size:12px}.grid{stroke:var(--line)}.axis,.tick{stroke:var(--soft)}
polyline{fill:none;stroke-width:2;stroke-linejoin:round}
.train polyline{stroke:var(--train)}.train circle{fill:var(--train)}
.test polyline{stroke:var(--test)}.test circle{fill:var(--test)}
.key{font-weight:400;font-size:13px;margin-left:10px}.key.train{color:var(--train)}.key.test{color:var(--test)}
.key:before{content:"\25CF\00A0"}
table{border-collapse:collapse;font-size:14px}th{color:var(--soft);font-weight:500}
th,td{padding:4px 10px;text-align:left;border-bottom:1px solid var(--line);white-space:nowrap}
td.w{white-space:normal}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.confusion td,.confusion th{text-align:right;padding:5px 9px;min-width:44px;border:1px solid var(--line);
font-variant-numeric:tabular-nums}
)";

std::string fixed(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string tile(const std::string& value, const std::string& label) {
  return "<div class=\"tile\"><b>" + escape_html(value) + "</b><span>" + escape_html(label) +
         "</span></div>\n";
}

std::string row(const std::string& name, const std::string& value) {
  return "<tr><th>" + escape_html(name) + "</th><td><code>" + escape_html(value) +
         "</code></td></tr>\n";
}

std::string charts(const Report& report) {
  const double per_epoch = static_cast<double>(std::max<std::int64_t>(1, report.steps_per_epoch));
  Series train{"train", "train", {}, false}, test{"test", "test", {}, true};
  Series train_accuracy{"train", "train", {}, true}, test_accuracy{"test", "test", {}, true};
  for (const auto& loss : report.losses) {
    train.points.emplace_back(static_cast<double>(loss.step) / per_epoch, loss.train_loss);
  }
  for (const EpochMetrics& epoch : report.epochs) {
    const double x = static_cast<double>(epoch.step) / per_epoch;
    test.points.emplace_back(x, epoch.test_loss);
    if (epoch.train_accuracy) train_accuracy.points.emplace_back(x, *epoch.train_accuracy);
    if (epoch.test_accuracy) test_accuracy.points.emplace_back(x, *epoch.test_accuracy);
  }
  const std::string loss = line_chart("Loss", "epochs", {train, test});
  // One epoch is a point and no curve; the tiles say it already.
  const std::string accuracy =
      report.epochs.size() < 2 ? ""
                               : line_chart("Accuracy", "epochs", {train_accuracy, test_accuracy});
  std::string html;
  if (!loss.empty()) html += "<section>" + loss + "</section>\n";
  if (!accuracy.empty()) html += "<section>" + accuracy + "</section>\n";
  return html;
}

std::string confusion(const Report& report) {
  if (report.evaluation == nullptr || report.evaluation->confusion.empty()) return "";
  const auto& counts = report.evaluation->confusion;
  std::vector<std::string> names = report.config.class_names;
  // The model may have more outputs than the data has classes.
  while (names.size() * names.size() < counts.size()) names.push_back(std::to_string(names.size()));
  const std::size_t classes = names.size();
  if (counts.size() != classes * classes) return "";
  std::string html =
      "<section><h2>Confusion</h2><p>Test samples: rows are the true class, columns what the model "
      "said.</p><table class=\"confusion\"><tr><th></th>";
  for (const std::string& name : names) html += "<th>" + escape_html(name) + "</th>";
  html += "</tr>\n";
  for (std::size_t truth = 0; truth < classes; ++truth) {
    html += "<tr><th>" + escape_html(names[truth]) + "</th>";
    std::int64_t total = 0;
    for (std::size_t said = 0; said < classes; ++said) total += counts[truth * classes + said];
    for (std::size_t said = 0; said < classes; ++said) {
      const std::int64_t count = counts[truth * classes + said];
      const double share = total > 0 ? static_cast<double>(count) / static_cast<double>(total) : 0;
      // Mistakes are rare: their tint is stretched, so that one in a hundred can be seen.
      const double tint = truth == said ? 0.55 * share : std::min(0.75, 20 * share);
      html += "<td style=\"background:rgba(var(--" + std::string(truth == said ? "hit" : "miss") +
              ")," + fixed(tint, 3) + ")\">" + (count == 0 ? "" : grouped(count)) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</table></section>\n";
}

std::string kernel_table(const Report& report) {
  std::string html =
      "<section><h2>Kernels</h2><p>What one training step runs, in order.</p><table><tr><th "
      "class=\"n\">#</th><th>layer</th><th>class</th><th>implementation</th><th>op</th></tr>\n";
  int number = 0;
  for (const auto& kernel : report.kernels) {
    html += "<tr><td class=\"n\">" + std::to_string(++number) + "</td><td>" +
            escape_html(kernel.layer) + "</td><td>" +
            (kernel.exactness == soma::Exactness::exact ? "exact" : "bounded") + "</td><td><code>" +
            escape_html(kernel.implementation) + "</code></td><td class=\"w\"><code>" +
            escape_html(kernel.op) + "</code></td></tr>\n";
  }
  return html + "</table></section>\n";
}

std::string configuration(const Report& report) {
  const RunConfig& config = report.config;
  std::string optimizer =
      config.optimizer.type + " learning_rate=" + fixed(config.optimizer.learning_rate, 6);
  for (const auto& [name, value] : config.optimizer.options.entries()) {
    optimizer += " " + name + "=";
    if (const auto* i = std::get_if<std::int64_t>(&value)) optimizer += std::to_string(*i);
    if (const auto* r = std::get_if<double>(&value)) {
      char text[32];
      std::snprintf(text, sizeof text, "%g", *r);
      optimizer += text;
    }
    if (const auto* s = std::get_if<std::string>(&value)) optimizer += *s;
  }
  return "<section><h2>Configuration</h2><table>\n" + row("model", config.model) +
         row("parameters", grouped(report.parameters)) + row("data", config.data) +
         row("training data, SHA-256", config.train_sha256) +
         row("test data, SHA-256", config.test_sha256) + row("backend", report.backend) +
         row("numerics", name_of(config.numerics)) +
         row("threads", std::to_string(report.threads)) +
         row("batch", std::to_string(config.batch)) + row("optimizer", optimizer) +
         row("schedule", config.schedule.str()) + row("seed", std::to_string(config.seed)) +
         row("weights, SHA-256", report.weights_sha256) + row("soma", soma::version()) +
         "</table></section>\n";
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string report_html(const Report& report) {
  const std::string title = escape_html(report.config.model + " on " + report.config.data);
  std::string html =
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>Soma: " +
      title + "</title><style>" + kStyle + "</style></head><body>\n<h1>" + title + "</h1>\n<p>" +
      escape_html(report.status) + "; backend " + escape_html(report.backend) + ", numerics " +
      name_of(report.config.numerics) + ", weights <code>" +
      escape_html(report.weights_sha256.substr(0, 12)) + "</code></p>\n<div class=\"tiles\">\n";
  if (!report.epochs.empty()) {
    const EpochMetrics& last = report.epochs.back();
    if (last.test_accuracy) html += tile(percent(*last.test_accuracy), "test accuracy");
    html += tile(fixed(last.test_loss, 4), "test loss");
    html += tile(fixed(last.train_loss, 4), "train loss, last epoch");
    html += tile(grouped(last.step), "steps");
    html += tile(fixed(last.seconds, 1) + " s", "training time");
    html += tile(grouped(static_cast<std::int64_t>(last.samples_per_second)), "samples per second");
  }
  return html + "</div>\n<div class=\"charts\">\n" + charts(report) + confusion(report) +
         "</div>\n" + kernel_table(report) + configuration(report) + "</body></html>\n";
}
