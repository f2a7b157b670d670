#include <algorithm>

#include "report.hpp"
#include "session.hpp"

namespace {

constexpr std::size_t kMostInTable = 20;     // classes of a matrix with numbers
constexpr std::size_t kMostInPicture = 150;  // classes of a matrix as a picture
constexpr std::size_t kMistakes = 12;        // listed of a matrix without numbers

/// Mistakes are rare: their tint is stretched, so that one in a hundred can be seen.
double tint(bool right, double share) { return right ? 0.55 * share : std::min(0.75, 20 * share); }

/// The counts of a confusion matrix with the names of its classes.
struct Matrix {
  std::vector<std::string> names;
  const std::vector<std::int64_t>& counts;
  std::vector<std::int64_t> totals;  // of each true class

  explicit Matrix(const Report& report)
      : names(confusion_names(*report.evaluation, report.config.class_names)),
        counts(report.evaluation->confusion) {
    for (std::string& name : names) {
      if (name.find_first_not_of(' ') == std::string::npos) name = "\"" + name + "\"";
    }
    for (std::size_t truth = 0; truth < names.size(); ++truth) {
      totals.push_back(0);
      for (std::size_t said = 0; said < names.size(); ++said) totals.back() += at(truth, said);
    }
  }
  std::int64_t at(std::size_t truth, std::size_t said) const {
    return counts[truth * names.size() + said];
  }
  double share(std::size_t truth, std::size_t said) const {
    return totals[truth] == 0
               ? 0
               : static_cast<double>(at(truth, said)) / static_cast<double>(totals[truth]);
  }
};

std::string numbers(const Matrix& m) {
  std::string html = "<table class=\"confusion\"><tr><th></th>";
  for (const std::string& name : m.names)
    html += "<th scope=\"col\">" + escape_html(name) + "</th>";
  html += "</tr>\n";
  for (std::size_t truth = 0; truth < m.names.size(); ++truth) {
    html += "<tr><th scope=\"row\">" + escape_html(m.names[truth]) + "</th>";
    for (std::size_t said = 0; said < m.names.size(); ++said) {
      html += "<td style=\"background:rgba(var(--" + std::string(truth == said ? "hit" : "miss") +
              ")," + fixed_number(tint(truth == said, m.share(truth, said)), 3) + ")\">" +
              (m.at(truth, said) == 0 ? "" : grouped(m.at(truth, said))) + "</td>";
    }
    html += "</tr>\n";
  }
  return html + "</table>";
}

std::string picture(const Matrix& m) {
  const std::string side = std::to_string(m.names.size());
  std::string svg =
      "<svg class=\"cells\" width=\"460\" height=\"460\" viewBox=\"0 0 " + side + " " + side +
      "\" role=\"img\" aria-label=\"Confusion matrix\"><rect class=\"back\" width=\"" + side +
      "\" height=\"" + side + "\"/>\n";
  for (std::size_t truth = 0; truth < m.names.size(); ++truth) {
    for (std::size_t said = 0; said < m.names.size(); ++said) {
      const double opacity = tint(truth == said, m.share(truth, said));
      if (opacity < 0.02) continue;
      svg += "<rect class=\"" + std::string(truth == said ? "hit" : "miss") + "\" x=\"" +
             std::to_string(said) + "\" y=\"" + std::to_string(truth) +
             "\" width=\"1\" height=\"1\" opacity=\"" + fixed_number(opacity, 2) + "\"><title>" +
             escape_html(m.names[truth] + " taken for " + m.names[said]) + ": " +
             grouped(m.at(truth, said)) + "</title></rect>";
    }
  }
  return svg + "</svg>";
}

std::string commonest_mistakes(const Matrix& m) {
  struct Mistake {
    std::size_t truth, said;
  };
  std::vector<Mistake> list;
  for (std::size_t truth = 0; truth < m.names.size(); ++truth) {
    for (std::size_t said = 0; said < m.names.size(); ++said) {
      if (truth != said && m.at(truth, said) > 0) list.push_back({truth, said});
    }
  }
  const std::size_t shown = std::min(kMistakes, list.size());
  std::ranges::partial_sort(
      list, list.begin() + static_cast<std::ptrdiff_t>(shown), std::greater(),
      [&](const Mistake& mistake) { return m.at(mistake.truth, mistake.said); });
  std::string html =
      "<table><tr><th>true</th><th>said</th><th class=\"n\">times</th><th class=\"n\">of its "
      "class</th></tr>\n";
  for (std::size_t i = 0; i < shown; ++i) {
    const auto [truth, said] = list[i];
    html += "<tr><td><code>" + escape_html(m.names[truth]) + "</code></td><td><code>" +
            escape_html(m.names[said]) + "</code></td><td class=\"n\">" +
            grouped(m.at(truth, said)) + "</td><td class=\"n\">" + percent(m.share(truth, said)) +
            "</td></tr>\n";
  }
  return html + "</table>";
}

}  // namespace

std::string confusion_section(const Report& report) {
  if (report.evaluation == nullptr || report.evaluation->confusion.empty()) return "";
  const Matrix m(report);
  std::string html = "<section tabindex=\"0\" aria-label=\"Confusion\"><h2>Confusion</h2><p>" +
                     std::string(report.watched == "test" ? "Test" : "Validation") +
                     " samples: rows are the true class, columns what the model said.</p>";
  if (m.names.size() <= kMostInTable) return html + numbers(m) + "</section>\n";
  if (m.names.size() <= kMostInPicture) html += "<div class=\"picture\">" + picture(m) + "</div>";
  return html + "<h3>Commonest mistakes</h3>" + commonest_mistakes(m) + "</section>\n";
}

std::string classes_section(const Report& report) {
  if (report.evaluation == nullptr || report.evaluation->confusion.empty()) return "";
  const Matrix m(report);
  const auto scores = class_scores(*report.evaluation);
  const soma::ClassScore mean = macro_average(scores);
  const auto cells = [](const soma::ClassScore& score) {
    return "<td class=\"n\">" + fixed_number(score.precision, 3) + "</td><td class=\"n\">" +
           fixed_number(score.recall, 3) +
           "</td><td class=\"n\"><span class=\"meter\"><i style=\"width:" +
           fixed_number(100 * score.f1, 1) + "%\"></i></span>" + fixed_number(score.f1, 3) +
           "</td><td class=\"n\">" + grouped(score.support) + "</td></tr>\n";
  };
  std::string html =
      "<table><tr><th>class</th><th class=\"n\">precision</th><th class=\"n\">recall</th><th "
      "class=\"n\">F1</th><th class=\"n\">samples</th></tr>\n";
  for (std::size_t c = 0; c < scores.size(); ++c) {
    html += "<tr><td><code>" + escape_html(m.names[c]) + "</code></td>" + cells(scores[c]);
  }
  html += "<tr class=\"sum\"><td>mean of the classes</td>" + cells(mean) + "</table>";
  if (scores.size() > kMostInTable) {
    html = "<details><summary>" + std::to_string(scores.size()) + " classes, mean F1 " +
           fixed_number(mean.f1, 3) + "</summary>" + html + "</details>";
  }
  return "<section tabindex=\"0\" aria-label=\"Classes\"><h2>Classes</h2>" + html + "</section>\n";
}
