#include "certificate.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "bench_report.hpp"
#include "globals.hpp"
#include "session.hpp"
#include "soma/version.hpp"
#include "table.hpp"

using namespace soma::conformance;
using nlohmann::ordered_json;

namespace {

constexpr std::size_t kMostShown = 20;

/// A word as a shell takes it.
std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && std::ranges::all_of(word, [](unsigned char c) {
    return std::isalnum(c) != 0 ||
           std::string_view("_-./,=+:@").find(static_cast<char>(c)) != std::string_view::npos;
  });
  if (plain) return word;
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return text + "'";
}

std::string share_text(double share) {
  if (share == 0) return "";
  char text[32];
  std::snprintf(text, sizeof text, share < 1e3 ? "%.2f" : "%.1e", share);
  return text;
}

struct Sum {
  int cases = 0, checks = 0, failed = 0, refused = 0;
  double worst_share = 0;

  void add(const Cell& cell) {
    cases += cell.cases;
    checks += cell.checks;
    failed += cell.failed;
    refused += cell.refused;
    worst_share = std::max(worst_share, cell.worst_share);
  }
};

void print_levels(const std::vector<Cell>& cells, std::ostream& out) {
  using Align = Table::Align;
  Table table({{"level"},
               {"cases", Align::right},
               {"checks", Align::right},
               {"refused", Align::right},
               {"failed", Align::right},
               {"worst share of bound", Align::right}});
  const auto row = [&](const std::string& name, const Sum& sum) {
    table.add({name, grouped(sum.cases), grouped(sum.checks), grouped(sum.refused),
               grouped(sum.failed), share_text(sum.worst_share)});
  };
  Sum all;
  for (const Level level : kLevels) {
    Sum sum;
    for (const Cell& cell : cells) {
      if (cell.level == level) sum.add(cell);
    }
    if (sum.cases == 0) continue;
    row(std::string(code_of(level)) + " " + title_of(level), sum);
    for (const Cell& cell : cells) all.add(cell.level == level ? cell : Cell{});
  }
  row("all", all);
  table.print(out);
}

/// The ops that others compute fastest in comparison; the page has them all.
void print_speed(const Certificate& certificate, std::ostream& out) {
  constexpr std::size_t kMost = 5;
  struct Slow {
    std::string op, other;
    double own, best;
  };
  std::vector<Slow> slow;
  std::size_t timed = 0, first = 0;
  for (const SpeedRow& row : certificate.speed) {
    const auto own = row.milliseconds.find(certificate.plugin);
    if (own == row.milliseconds.end()) continue;
    ++timed;
    const auto best = std::ranges::min_element(row.milliseconds, {},
                                               [](const auto& entry) { return entry.second; });
    if (best->first == certificate.plugin) ++first;
    slow.push_back({row.op, best->first, own->second, best->second});
  }
  if (timed == 0) return;
  out << "\nspeed: the fastest of all backends in " << first << " of " << timed
      << " ops; where others lead most\n";
  std::ranges::sort(slow, std::greater{}, [](const Slow& s) { return s.own / s.best; });
  if (slow.size() > kMost) slow.resize(kMost);
  for (const Slow& s : slow) {
    if (s.other == certificate.plugin) continue;
    char ratio[32];
    std::snprintf(ratio, sizeof ratio, "%.1f", s.own / s.best);
    out << "  " << s.op << ": " << milliseconds(s.own) << " ms, " << s.other << " "
        << milliseconds(s.best) << " ms (" << ratio << " x)\n";
  }
}

/// A row per op with its cells side by side; only where there are few ops.
void print_ops(const std::vector<Cell>& cells, std::ostream& out) {
  constexpr std::size_t kMostOps = 12;
  std::vector<std::string> ops;
  for (const Cell& cell : cells) {
    if (cell.level == Level::file || cell.level == Level::lifecycle) continue;
    if (std::ranges::find(ops, cell.op) == ops.end()) ops.push_back(cell.op);
  }
  if (ops.empty() || ops.size() > kMostOps) return;
  Table table({{"op"},
               {"level"},
               {"cases", Table::Align::right},
               {"failed", Table::Align::right},
               {"worst share of bound", Table::Align::right}});
  for (const std::string& op : ops) {
    for (const Cell& cell : cells) {
      if (cell.op != op) continue;
      table.add({op, code_of(cell.level), grouped(cell.cases), grouped(cell.failed),
                 share_text(cell.worst_share)});
    }
  }
  table.print(out << "\n");
}

void print_failures(const Certificate& certificate, std::ostream& out) {
  std::size_t shown = 0, failed = 0;
  for (const ItemResult& result : certificate.results) {
    if (result.verdict.failures.empty()) continue;
    if (++failed > kMostShown) continue;
    ++shown;
    const Item& item = result.item;
    out << "\n" << code_of(item.level) << " " << item.op << ", case " << item.name << "\n";
    for (const Failure& failure : result.verdict.failures) {
      out << "  " << failure.check << ": " << failure.message << "\n";
    }
    out << "  rerun: " << certificate.rerun(item) << "\n";
  }
  if (failed > shown) {
    out << "\n... and " << grouped(static_cast<std::int64_t>(failed - shown))
        << " more cases that failed; --json and --html have them all\n";
  }
}

ordered_json failures_json(const Certificate& certificate, const Cell& cell) {
  auto list = ordered_json::array();
  for (const ItemResult& result : certificate.results) {
    const Item& item = result.item;
    if (item.level != cell.level || item.op != cell.op) continue;
    for (const Failure& failure : result.verdict.failures) {
      list.push_back({{"case", item.name},
                      {"check", failure.check},
                      {"message", failure.message},
                      {"rerun", certificate.rerun(item)}});
    }
  }
  return list;
}

}  // namespace

bool matches_op(const std::string& op, const std::string& wanted) {
  return wanted.empty() || op == wanted || op.starts_with(wanted + "/") ||
         op.starts_with(wanted + ".");
}

bool CertifyRequest::wants(Level level) const {
  return std::ranges::find(levels, level) != levels.end();
}

bool CertifyRequest::wants(const Item& item) const {
  if (!wants(item.level) || (!name.empty() && item.name != name)) return false;
  return matches_op(item.op, op);
}

bool Certificate::passed() const {
  return !results.empty() && std::ranges::all_of(results, [](const ItemResult& result) {
    return result.verdict.failures.empty();
  });
}

std::string Certificate::rerun(const Item& item) const {
  return rerun_start() + " --level " + code_of(item.level) + " --case " + quoted(item.name);
}

std::string Certificate::rerun_start() const {
  std::string text = "soma certify " + quoted(request.subject);
  for (const std::string& folder : plugin_folders()) text += " --plugin-path " + quoted(folder);
  text += std::string(" --numerics ") + name_of(request.options.numerics) + " --seed " +
          std::to_string(request.options.seed);
  if (!request.default_threads) {
    text += " --threads ";
    for (std::size_t i = 0; i < request.options.threads.size(); ++i) {
      text += (i > 0 ? "," : "") + std::to_string(request.options.threads[i]);
    }
  }
  if (!request.fields.empty()) text += " --fields " + quoted(request.fields);
  if (!request.inputs.empty()) text += " --input " + quoted(request.inputs);
  if (request.options.full) text += " --full";
  return text;
}

std::vector<Cell> cells_of(const Certificate& certificate) {
  std::vector<Cell> cells;
  for (const Level level : kLevels) {
    std::map<std::string, std::size_t> places;
    for (const auto& [item, verdict] : certificate.results) {
      if (item.level != level) continue;
      const auto [place, is_new] = places.emplace(item.op, cells.size());
      if (is_new) cells.push_back({level, item.op});
      Cell& cell = cells[place->second];
      ++cell.cases;
      cell.checks += verdict.checks;
      cell.refused += verdict.refused.empty() ? 0 : 1;
      cell.failed += verdict.failures.empty() ? 0 : 1;
      cell.worst_share = std::max(cell.worst_share, verdict.worst_share);
    }
  }
  return cells;
}

std::string host_build() { return std::string("soma ") + soma::version() + ", g++ " + __VERSION__; }

void print_certificate(const Certificate& certificate, std::ostream& out) {
  const CertifyRequest& request = certificate.request;
  out << "certify " << request.subject << ": " << name_of(request.options.numerics)
      << " numerics, seed " << request.options.seed << (request.options.full ? ", full" : "")
      << "\n"
      << request.file.string() << "\n"
      << (certificate.kind.empty()
              ? ""
              : certificate.kind + " " + certificate.plugin + " " + certificate.version + ", ")
      << "sha256 " << certificate.sha256 << "\n"
      << host_build() << ", " << cpu_name() << "\n\n";
  const std::vector<Cell> cells = cells_of(certificate);
  print_levels(cells, out);
  print_ops(cells, out);
  print_speed(certificate, out);
  if (!certificate.unclaimed.empty()) {
    out << "\nnot claimed:";
    for (const std::string& op : certificate.unclaimed) out << " " << op;
    out << "\n";
  }
  print_failures(certificate, out);
  char time[32];
  std::snprintf(time, sizeof time, "%.0f s", certificate.seconds);
  out << "\n" << (certificate.passed() ? "passed" : "FAILED") << ", " << time << "\n";
}

std::string certificate_json(const Certificate& certificate) {
  const CertifyRequest& request = certificate.request;
  auto results = ordered_json::array();
  for (const Cell& cell : cells_of(certificate)) {
    results.push_back({{"level", code_of(cell.level)},
                       {"op", cell.op},
                       {"cases", cell.cases},
                       {"failed", cell.failed},
                       {"worst_share", cell.worst_share},
                       {"checks", cell.checks},
                       {"refused", cell.refused},
                       {"failures", failures_json(certificate, cell)}});
  }
  auto speed = ordered_json::array();
  for (const SpeedRow& row : certificate.speed) {
    speed.push_back({{"op", row.op}, {"milliseconds", row.milliseconds}});
  }
  return ordered_json{{"passed", certificate.passed()},
                      {"subject", request.subject},
                      {"plugin", request.file.string()},
                      {"name", certificate.plugin},
                      {"version", certificate.version},
                      {"kind", certificate.kind},
                      {"plugin_sha256", certificate.sha256},
                      {"numerics", name_of(request.options.numerics)},
                      {"seed", request.options.seed},
                      {"threads", request.options.threads},
                      {"full", request.options.full},
                      {"cpu", cpu_name()},
                      {"host_build", host_build()},
                      {"seconds", certificate.seconds},
                      {"results", results},
                      {"speed", speed},
                      {"unclaimed", certificate.unclaimed}}
      .dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}
