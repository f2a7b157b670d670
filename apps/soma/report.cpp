#include "report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "chart.hpp"
#include "html_page.hpp"
#include "session.hpp"
#include "soma/version.hpp"

namespace {

constexpr const char* kStyle = R"(
:root{--train:#2563c9;--test:#c8501b;--third:#1f8a5b;--hit:37,99,201;--miss:217,98,43;--look:#fff3e6}
@media(prefers-color-scheme:dark){:root{--train:#6ea8ff;--test:#ff9a66;--third:#5fcf9b;--hit:110,168,255;--miss:255,154,102;--look:#3a2a1c}}
h3{font-size:15px;margin:14px 0 4px}section{overflow-x:auto}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,340px),1fr));column-gap:14px;align-items:start}
figure svg{width:100%;height:auto;display:block}
svg text{fill:var(--soft);font-size:12px}.grid{stroke:var(--line)}.axis,.tick{stroke:var(--soft)}
polyline{fill:none;stroke-width:2;stroke-linejoin:round;stroke:var(--train)}
.train polyline{stroke:var(--train)}.train circle{fill:var(--train)}
.test polyline{stroke:var(--test)}.test circle{fill:var(--test)}
.key{font-weight:400;font-size:13px;margin-left:10px}.key.train,.key.forward{color:var(--train)}
.key.test,.key.backward{color:var(--test)}.key.update{color:var(--third)}.key:before{content:"\25CF\00A0"}
td.w{white-space:normal;min-width:320px}
.confusion td,.confusion th{text-align:right;padding:5px 9px;min-width:44px;border:1px solid var(--line);
font-variant-numeric:tabular-nums}
.sum td{font-weight:600;border-bottom:0}.look td{background:var(--look)}.health th[colspan]{text-align:center}
.cells{width:100%;max-width:460px;height:auto;display:block}.cells .back{fill:var(--bg)}
.cells .hit{fill:rgb(var(--hit))}.cells .miss{fill:rgb(var(--miss))}
.meter{display:inline-block;width:60px;height:8px;border-radius:4px;background:var(--line);margin-right:8px;text-align:left}
.meter i{display:block;height:8px;border-radius:4px;background:var(--train)}
.bars{width:100%}.bars td:last-child,.bars th:last-child{width:60%;min-width:180px}
.bar{display:flex;height:12px}.bar i{display:block}.bar .forward{background:var(--train)}
.bar .backward{background:var(--test)}.bar .update{background:var(--third)}
.config td{white-space:normal;overflow-wrap:anywhere}details{margin-top:10px}summary{color:var(--soft)}
)";

std::string tile(const std::string& value, const std::string& label) {
  return "<div class=\"tile\"><b>" + escape_html(value) + "</b><span>" + escape_html(label) +
         "</span></div>\n";
}

std::string row(const std::string& name, const std::string& value) {
  return "<tr><th>" + escape_html(name) + "</th><td><code>" + escape_html(value) +
         "</code></td></tr>\n";
}

/// What loss a chart need not show: a few batches far above all others would flatten the curve.
double loss_limit(const Series& train, const Series& test) {
  constexpr double kShare = 0.98, kFar = 3;
  std::vector<double> losses;
  for (const auto& point : train.points) {
    if (std::isfinite(point.second)) losses.push_back(point.second);
  }
  if (losses.empty()) return std::numeric_limits<double>::infinity();
  const auto at =
      losses.begin() + static_cast<std::ptrdiff_t>(kShare * static_cast<double>(losses.size() - 1));
  std::ranges::nth_element(losses, at);
  double usual = *at;
  for (const auto& point : test.points) usual = std::max(usual, point.second);
  const double most = *std::ranges::max_element(losses);
  return most > kFar * usual && usual > 0 ? kFar * usual : std::numeric_limits<double>::infinity();
}

std::string charts(const Report& report) {
  const double per_epoch = static_cast<double>(std::max<std::int64_t>(1, report.steps_per_epoch));
  const std::string& part = report.watched;
  Series train{"train", "train", {}, false}, test{part, "test", {}, true};
  Series train_accuracy{"train", "train", {}, true}, test_accuracy{part, "test", {}, true};
  Series rate{"", "train", {}, false};
  for (const auto& row : report.losses) {
    const double x = static_cast<double>(row.step) / per_epoch;
    train.points.emplace_back(x, row.train_loss);
    if (row.learning_rate) rate.points.emplace_back(x, *row.learning_rate);
  }
  for (const EpochMetrics& epoch : report.epochs) {
    const double x = static_cast<double>(epoch.step) / per_epoch;
    test.points.emplace_back(x, epoch.test_loss);
    if (epoch.train_accuracy) train_accuracy.points.emplace_back(x, *epoch.train_accuracy);
    if (epoch.test_accuracy) test_accuracy.points.emplace_back(x, *epoch.test_accuracy);
  }
  const double cap = loss_limit(train, test);
  const auto left_out =
      std::erase_if(train.points, [&](const auto& point) { return point.second > cap; });
  const std::string title = left_out == 0
                                ? "Loss"
                                : "Loss (" + std::to_string(left_out) +
                                      (left_out == 1 ? " point above " : " points above ") +
                                      brief_number(cap) + " left out)";
  std::vector<std::string> drawn = {line_chart(title, "epochs", {train, test})};
  // One epoch is a point and no curve; the tiles say it already.
  if (report.epochs.size() > 1) {
    drawn.push_back(line_chart("Accuracy", "epochs", {train_accuracy, test_accuracy}));
  }
  if (rate.points.size() > 1) drawn.push_back(line_chart("Learning rate", "epochs", {rate}));
  std::string html;
  for (const std::string& chart : drawn) {
    if (!chart.empty()) html += "<section>" + chart + "</section>\n";
  }
  return html;
}

std::string configuration(const Report& report) {
  const RunConfig& config = report.config;
  std::string optimizer =
      config.optimizer.type + " learning_rate=" + fixed_number(config.optimizer.learning_rate, 6);
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
  return "<section tabindex=\"0\" aria-label=\"Configuration\"><h2>Configuration</h2><table "
         "class=\"config\">\n" +
         row("model", config.model) + row("parameters", grouped(report.parameters)) +
         row("data", config.data) + row("training data, SHA-256", config.train_sha256) +
         row("test data, SHA-256", config.test_sha256) + row("backend", report.backend) +
         row("numerics", name_of(config.numerics)) +
         row("threads", std::to_string(report.threads)) +
         row("batch", std::to_string(config.batch)) + row("optimizer", optimizer) +
         row("schedule", config.schedule.str()) + row("seed", std::to_string(config.seed)) +
         row("weights, SHA-256", report.weights_sha256) + row("soma", soma::version()) +
         "</table></section>\n";
}

/// The figures of the last epoch that have no tile of their own kind yet.
std::string figure_tiles(const EpochMetrics& last, const std::string& part) {
  constexpr struct {
    std::size_t index;
    const char* label;
    bool share;
  } kShown[] = {{0, "top-5 accuracy", true},
                {3, "mean F1", false},
                {4, "perplexity", false},
                {5, "bits per character", false},
                {6, "mean absolute error", false},
                {7, "root mean square error", false},
                {8, "R2", false}};
  std::string html;
  for (const auto& shown : kShown) {
    const auto& figure = last.figures[shown.index];
    // Perplexity says something of texts; of other classes the loss says it.
    if (!figure || (shown.index == 4 && !last.figures[5])) continue;
    html += tile(shown.share ? percent(*figure) : brief_number(*figure), part + " " + shown.label);
  }
  return html;
}

}  // namespace

std::string fixed_number(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string brief_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", value);
  return text;
}

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
  const std::string title = report.config.model + " on " + report.config.data;
  std::string html = page_start("Soma: " + title, kStyle) + "<h1>" + escape_html(title) +
                     "</h1>\n<p>" + escape_html(report.status) + "; backend " +
                     escape_html(report.backend) + ", numerics " + name_of(report.config.numerics) +
                     ", weights <code>" + escape_html(report.weights_sha256.substr(0, 12)) +
                     "</code></p>\n<div class=\"tiles\">\n";
  if (!report.epochs.empty()) {
    const EpochMetrics& last = report.epochs.back();
    if (last.test_accuracy)
      html += tile(percent(*last.test_accuracy), report.watched + " accuracy");
    html += tile(fixed_number(last.test_loss, 4), report.watched + " loss");
    html += tile(fixed_number(last.train_loss, 4), "train loss, last epoch");
    html += figure_tiles(last, report.watched);
    html += tile(grouped(last.step), "steps");
    html += tile(fixed_number(last.seconds, 1) + " s", "training time");
    html += tile(grouped(static_cast<std::int64_t>(last.samples_per_second)), "samples per second");
  }
  return html + "</div>\n<div class=\"charts\">\n" + charts(report) + "</div>\n" +
         confusion_section(report) + classes_section(report) + health_section(report) +
         profile_section(report) + configuration(report) + page_end();
}
