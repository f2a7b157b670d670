#include <algorithm>
#include <cmath>

#include "report.hpp"
#include "session.hpp"

using Phase = soma::KernelTime::Phase;

namespace {

// What deserves a second look; rules of thumb.
constexpr soma::AlarmLimits kLimits;
constexpr double kSmallUpdate = 1e-6, kNoGradient = 1e-9;

std::string cell(const std::optional<double>& value, bool share = false) {
  if (!value) return "<td class=\"n\"></td>";
  const std::string text = share ? fixed_number(100 * *value, 1) + " %" : brief_number(*value);
  return "<td class=\"n\">" + text + "</td>";
}

std::string cells(const std::optional<LayerHealth::Spread>& spread) {
  if (!spread) return "<td class=\"n\"></td><td class=\"n\"></td>";
  return cell(spread->mean) + cell(spread->deviation);
}

/// The largest update of a layer over the epochs: a schedule that ends at 0 ends without any.
double largest_update(const std::vector<HealthLog::Epoch>& epochs, const std::string& layer) {
  double most = 0;
  for (const HealthLog::Epoch& epoch : epochs) {
    const auto found = std::ranges::find(epoch.layers, layer, &LayerHealth::layer);
    if (found != epoch.layers.end()) most = std::max(most, found->update.value_or(0));
  }
  return most;
}

std::string note_of(const LayerHealth& h, const std::vector<HealthLog::Epoch>& epochs) {
  if (!h.alarms.empty()) return h.alarms;
  if (h.dead.value_or(0) > kLimits.dead) return "most units are dead";
  if (h.gradients && h.gradients->deviation < kNoGradient) return "gradient vanishes";
  if (h.update.value_or(0) > kLimits.update) return "updates are large";
  if (h.update && largest_update(epochs, h.layer) < kSmallUpdate) return "weights hardly move";
  return "";
}

/// The update ratio of a layer over the epochs, on a logarithmic scale of fixed limits.
std::string sparkline(const std::vector<HealthLog::Epoch>& epochs, const std::string& layer) {
  constexpr double kWidth = 96, kHeight = 22, kLow = -6, kHigh = 0;
  std::vector<double> values;
  for (const HealthLog::Epoch& epoch : epochs) {
    const auto found = std::ranges::find(epoch.layers, layer, &LayerHealth::layer);
    if (found != epoch.layers.end() && found->update.value_or(0) > 0) {
      values.push_back(std::clamp(std::log10(*found->update), kLow, kHigh));
    }
  }
  if (values.size() < 2) return "";
  std::string points;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double x = static_cast<double>(i) / static_cast<double>(values.size() - 1);
    points += fixed_number(2 + x * (kWidth - 4), 1) + "," +
              fixed_number(2 + (kHigh - values[i]) / (kHigh - kLow) * (kHeight - 4), 1) + " ";
  }
  return "<svg class=\"spark\" width=\"96\" height=\"22\" viewBox=\"0 0 96 22\" role=\"img\" "
         "aria-label=\"update ratio of " +
         escape_html(layer) + " over the epochs\"><g class=\"train\"><polyline points=\"" + points +
         "\"/></g></svg>";
}

const char* css_of(Phase phase) {
  return phase == Phase::forward ? "forward" : phase == Phase::backward ? "backward" : "update";
}

/// Times of one layer by phase, in the order in which layers first run.
struct LayerTime {
  std::string layer;
  double us[3] = {};
  double total() const { return us[0] + us[1] + us[2]; }
};

std::string layer_bars(const Report& report, double total) {
  std::vector<LayerTime> layers;
  for (const auto& kernel : report.profile) {
    auto found = std::ranges::find(layers, kernel.layer, &LayerTime::layer);
    if (found == layers.end()) found = layers.insert(layers.end(), {kernel.layer});
    found->us[static_cast<int>(kernel.phase)] += kernel.us;
  }
  double most = 0;
  for (const LayerTime& layer : layers) most = std::max(most, layer.total());
  std::string html =
      "<table class=\"bars\"><tr><th>layer</th><th class=\"n\">ms</th><th "
      "class=\"n\">share</th><th><span "
      "class=\"key forward\">forward</span> <span class=\"key backward\">backward</span> <span "
      "class=\"key "
      "update\">update</span></th></tr>\n";
  for (const LayerTime& layer : layers) {
    html += "<tr><td>" + escape_html(layer.layer) + "</td><td class=\"n\">" +
            fixed_number(layer.total() / 1000, 3) + "</td><td class=\"n\">" +
            fixed_number(100 * layer.total() / total, 1) + " %</td><td><div class=\"bar\">";
    for (const Phase phase : {Phase::forward, Phase::backward, Phase::update}) {
      html += "<i class=\"" + std::string(css_of(phase)) + "\" style=\"width:" +
              fixed_number(100 * layer.us[static_cast<int>(phase)] / most, 2) + "%\"></i>";
    }
    html += "</div></td></tr>\n";
  }
  return html + "</table>";
}

std::string kernel_rows(const Report& report, double total) {
  const bool timed = report.profile.size() == report.kernels.size();
  std::string html = "<table><tr><th class=\"n\">#</th><th>layer</th>" +
                     std::string(timed ? "<th>phase</th><th class=\"n\">us</th><th "
                                         "class=\"n\">share</th>"
                                       : "") +
                     "<th>class</th><th>implementation</th><th>op</th></tr>\n";
  for (std::size_t i = 0; i < report.kernels.size(); ++i) {
    const auto& kernel = report.kernels[i];
    html += "<tr><td class=\"n\">" + std::to_string(i + 1) + "</td><td>" +
            escape_html(kernel.layer) + "</td>";
    if (timed) {
      html += "<td>" + std::string(css_of(report.profile[i].phase)) + "</td><td class=\"n\">" +
              fixed_number(report.profile[i].us, 1) + "</td><td class=\"n\">" +
              fixed_number(100 * report.profile[i].us / total, 1) + " %</td>";
    }
    html += "<td>" + std::string(kernel.exactness == soma::Exactness::exact ? "exact" : "bounded") +
            "</td><td><code>" + escape_html(kernel.implementation) +
            "</code></td><td class=\"w\"><code>" + escape_html(kernel.op) + "</code></td></tr>\n";
  }
  return html + "</table>";
}

}  // namespace

std::string health_section(const Report& report) {
  if (report.health.empty()) return "";
  const HealthLog::Epoch& last = report.health.back();
  std::string html =
      "<section tabindex=\"0\" aria-label=\"Layers\"><h2>Layers</h2><p>Numbers of each layer in "
      "step " +
      grouped(last.step) +
      ", on its batch. Update / weight is how much one step changes the weights; about 0.001 is "
      "usual.</p><table class=\"health\"><tr><th rowspan=\"2\">layer</th><th "
      "colspan=\"2\">weights</th><th "
      "colspan=\"2\">gradients</th><th colspan=\"4\">output</th><th class=\"n\" "
      "rowspan=\"2\">update / "
      "weight</th><th rowspan=\"2\">over the epochs</th><th rowspan=\"2\"></th></tr>\n<tr>";
  for (int i = 0; i < 3; ++i) html += "<th class=\"n\">mean</th><th class=\"n\">dev.</th>";
  html += "<th class=\"n\">zeros</th><th class=\"n\">dead</th></tr>\n";
  for (const LayerHealth& h : last.layers) {
    const std::string note = note_of(h, report.health);
    html += "<tr" + std::string(note.empty() ? "" : " class=\"look\"") + "><td>" +
            escape_html(h.layer) + "</td>" + cells(h.weights) + cells(h.gradients) +
            cells(h.activations) + cell(h.zeros, true) + cell(h.dead, true) + cell(h.update) +
            "<td>" + sparkline(report.health, h.layer) + "</td><td>" + note + "</td></tr>\n";
  }
  return html + "</table></section>\n";
}

std::string profile_section(const Report& report) {
  double total = 0;
  for (const auto& kernel : report.profile) total += kernel.us;
  const std::string rows = "<details><summary>" + std::to_string(report.kernels.size()) +
                           " kernels, in order</summary>" + kernel_rows(report, total) +
                           "</details>";
  std::string html =
      "<section tabindex=\"0\" aria-label=\"Kernels\"><h2>Kernels</h2><p>What one training "
      "step runs";
  if (total > 0) {
    html += ", and where its time goes: " + fixed_number(total / 1000, 2) +
            " ms in kernels, medians of the steps that were looked at.</p>" +
            layer_bars(report, total);
  } else {
    html += ".</p>";
  }
  return html + rows + "</section>\n";
}
