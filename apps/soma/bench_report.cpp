#include "bench_report.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "soma/version.hpp"
#include "table.hpp"

using nlohmann::ordered_json;

namespace {

std::string text_of(const char* format, double value) {
  char text[48];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string ratio_text(const std::optional<Spread>& r) {
  if (!r) return "";
  return text_of("%.2f", r->median) + " (" + text_of("%.2f", r->least) + ".." +
         text_of("%.2f", r->most) + ")";
}

/// The contestants of any of these contests, in the order they are first met.
std::vector<std::string> names_in(const std::vector<const Contest*>& contests) {
  std::vector<std::string> names;
  for (const Contest* contest : contests) {
    for (const Contestant& c : contest->contestants) {
      if (std::ranges::find(names, c.name) == names.end()) names.push_back(c.name);
    }
  }
  return names;
}

std::string share_text(const std::optional<double>& share) {
  return share ? text_of("%.1f %%", 100 * *share) : "";
}

void print_ops(const std::vector<const Contest*>& contests, const BenchReport& report,
               std::ostream& out) {
  const auto names = names_in(contests);
  const auto has = [&](const std::string& name) {
    return std::ranges::find(names, name) != names.end();
  };
  std::vector<const Target*> shown;
  for (const Target& t : op_targets()) {
    if (has(t.contestant) && has(t.against)) shown.push_back(&t);
  }
  std::vector<Table::Column> columns = {{"ms"}};
  for (const auto& name : names) columns.push_back({name, Table::Align::right});
  for (const Target* t : shown) columns.push_back({t->contestant + "/" + t->against});
  for (const char* title : {"best GFLOP/s", "GB/s", "of roofline"}) {
    columns.push_back({title, Table::Align::right});
  }
  Table table(columns);
  for (const Contest* contest : contests) {
    std::vector<std::string> row = {contest_title(*contest, report)};
    for (const auto& name : names) {
      const Contestant* c = contest->find(name);
      row.push_back(c == nullptr || !c->ran() ? "-" : milliseconds(spread(c->medians()).median));
    }
    for (const Target* t : shown) {
      row.push_back(ratio_text(ratio(contest->find(t->contestant), contest->find(t->against))));
    }
    const Contestant* best = fastest(*contest, false);
    const auto figures = best == nullptr ? std::nullopt : figures_of(*contest, *best, report.peaks);
    row.push_back(figures && figures->flops > 0 ? text_of("%.0f", figures->gflops) : "");
    row.push_back(figures ? text_of("%.1f", figures->gbytes) : "");
    row.push_back(figures ? share_text(figures->roofline) : "");
    table.add(std::move(row));
  }
  table.print(out);
}

void print_models(const std::vector<const Contest*>& contests, const BenchReport& report,
                  std::ostream& out) {
  constexpr auto kRight = Table::Align::right;
  Table table({{"model"},
               {"contestant"},
               {"ms", kRight},
               {"least", kRight},
               {"most", kRight},
               {"samples/s", kRight},
               {"GFLOP/s", kRight},
               {"GB/s", kRight},
               {"of roofline", kRight},
               {"outside", kRight},
               {"packing", kRight},
               {"against the first"}});
  for (const Contest* contest : contests) {
    for (const Contestant& c : contest->contestants) {
      std::vector<std::string> row = {contest_title(*contest, report), c.name};
      if (c.ran()) {
        const Spread ms = spread(c.medians());
        row.insert(row.end(),
                   {milliseconds(ms.median), milliseconds(ms.least), milliseconds(ms.most),
                    text_of("%.0f", static_cast<double>(contest->batch) / ms.median * 1e3)});
        const auto f = figures_of(*contest, c, report.peaks).value_or(BenchFigures{});
        row.insert(row.end(), {f.flops > 0 ? text_of("%.0f", f.gflops) : "",
                               f.bytes > 0 ? text_of("%.1f", f.gbytes) : "", share_text(f.roofline),
                               share_text(f.outside), share_text(f.packs),
                               ratio_text(ratio(&c, &contest->contestants.front()))});
      } else {
        row.insert(row.end(), {"-", "", "", "", "", "", "", "", "", c.reason});
      }
      table.add(std::move(row));
    }
  }
  table.print(out);
}

/// What more threads bring, where there are several numbers of them.
void print_scaling(const BenchReport& report, std::ostream& out) {
  Table table({{"speedup"}, {"contestant"}, {"threads"}, {"times as fast"}});
  bool any = false;
  for (const Contest& few : report.contests) {
    for (const Contest& many : report.contests) {
      if (few.name != many.name || few.mode != many.mode || few.batch != many.batch ||
          few.threads >= many.threads) {
        continue;
      }
      for (const Contestant& c : few.contestants) {
        const auto found = speedup(few, many, c.name);
        if (!found) continue;
        any = true;
        table.add({few.op_case != nullptr ? few.name
                                          : few.name + " " + name_of(few.mode) + ", batch " +
                                                std::to_string(few.batch),
                   c.name, std::to_string(many.threads) + " over " + std::to_string(few.threads),
                   ratio_text(found)});
      }
    }
  }
  if (any) table.print(out << "\n");
}

void print_moves(const Moves& moves, std::ostream& out) {
  out << "\nagainst " << moves.file << ": " << moves.same << " within the spread, "
      << moves.slower.size() << " slower, " << moves.faster.size() << " faster";
  if (!moves.unknown.empty()) out << ", " << moves.unknown.size() << " not in it";
  out << "\n";
  const auto list = [&](const char* what, const std::vector<Move>& moved) {
    for (const Move& m : moved) {
      out << "  " << what << "  " << m.name << ": " << milliseconds(m.before_ms) << " -> "
          << milliseconds(m.now_ms) << " ms ("
          << text_of("%+.0f %%", 100 * (m.now_ms / m.before_ms - 1)) << ")\n";
    }
  };
  list("slower", moves.slower);
  list("faster", moves.faster);
}

ordered_json number_or_null(double value) {
  return value > 0 ? ordered_json(value) : ordered_json();
}

/// Backend and numerics of a contestant's name; peers have no numerics.
std::pair<std::string, ordered_json> split(const std::string& name) {
  if (is_peer(name)) return {name, ordered_json()};
  const auto [backend, numerics] = backend_of(name);
  return {backend, name_of(numerics)};
}

ordered_json result_json(const Contest& contest, const Contestant& c, const BenchReport& report) {
  const auto [backend, numerics] = split(c.name);
  const soma::bench::Case* op_case = contest.op_case;
  ordered_json entry;
  if (op_case != nullptr) {
    const soma::Op& op = op_case->ops.front();
    const bool train = op.purpose == soma::Purpose::train;
    entry = {{"op", op.id}, {"case", contest.name}, {"mode", train ? "train" : "infer"}};
    entry["batch"] = nullptr;
  } else {
    entry = {{"model", contest.name}, {"mode", name_of(contest.mode)}, {"batch", contest.batch}};
  }
  entry["backend"] = backend;
  entry["numerics"] = numerics;
  entry["threads"] = contest.threads;
  const Spread ms = c.ran() ? spread(c.medians()) : Spread{};
  for (const auto& [key, value] :
       {std::pair{"median_ms", ms.median}, {"min_ms", ms.least}, {"max_ms", ms.most}}) {
    entry[key] = number_or_null(value);
  }
  entry["p99_ms"] = number_or_null(c.ran() ? c.p99_ms() : 0);
  const auto figures = figures_of(contest, c, report.peaks).value_or(BenchFigures{});
  const double rate =
      op_case == nullptr && c.ran() ? static_cast<double>(contest.batch) / ms.median * 1e3 : 0;
  const auto share = [](const std::optional<double>& s) { return s ? ordered_json(*s) : nullptr; };
  entry["gflops"] = number_or_null(figures.gflops);
  entry["gbytes_per_second"] = number_or_null(figures.gbytes);
  entry["roofline_share"] = share(figures.roofline);
  entry["outside_share"] = share(figures.outside);
  entry["packs_share"] = share(figures.packs);
  entry["samples_per_second"] = number_or_null(rate);
  entry["implementation"] = c.implementation;
  entry["class"] = c.exactness;
  entry["reason"] = c.ran() ? "" : c.reason;
  entry["ratios"] = ordered_json::object();
  for (const Contestant& other : contest.contestants) {
    const auto r = ratio(&c, &other);
    if (r && &other != &c) entry["ratios"][other.name] = {r->median, r->least, r->most};
  }
  return entry;
}

}  // namespace

std::string milliseconds(double ms) {
  return text_of(ms >= 100 ? "%.0f" : ms >= 10 ? "%.1f" : ms >= 1 ? "%.2f" : "%.4f", ms);
}

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

std::string bench_headline(const BenchReport& report) {
  std::vector<int> counts;
  for (const Contest& contest : report.contests) {
    if (std::ranges::find(counts, contest.threads) == counts.end()) {
      counts.push_back(contest.threads);
    }
  }
  std::string threads;
  for (const int count : counts) threads += (threads.empty() ? "" : ",") + std::to_string(count);
  return std::string("soma ") + soma::version() + ", g++ " + __VERSION__ + ", " + cpu_name() +
         ", " + threads + (threads == "1" ? " thread, " : " threads, ") +
         std::to_string(report.options.rounds) + " rounds of " +
         text_of("%g", report.options.seconds) + " s";
}

int BenchReport::most_threads() const {
  int most = 0;
  for (const Contest& contest : contests) most = std::max(most, contest.threads);
  return most;
}

std::string peaks_text(const soma::bench::Peaks& peaks) {
  std::string text = std::to_string(peaks.threads) +
                     (peaks.threads == 1 ? " thread: " : " threads: ") +
                     text_of("%.0f GFLOP/s in registers", peaks.gflops);
  for (const auto& b : peaks.bandwidth) {
    text += b.bytes < (1 << 20) ? text_of("; %.0f GB/s at ", b.gbytes_per_second) +
                                      text_of("%.0f kB", b.bytes / 1024)
                                : text_of("; %.0f GB/s at ", b.gbytes_per_second) +
                                      text_of("%.0f MB", b.bytes / (1 << 20));
  }
  return text;
}

std::string contest_title(const Contest& contest, const BenchReport& report) {
  std::string title = contest.name;
  if (contest.op_case == nullptr) {
    title += std::string(" ") + name_of(contest.mode) + ", batch " + std::to_string(contest.batch);
  }
  const bool vary = std::ranges::any_of(
      report.contests, [&](const Contest& c) { return c.threads != contest.threads; });
  return vary ? title + ", " + std::to_string(contest.threads) + "t" : title;
}

void print_bench_text(const BenchReport& report, std::ostream& out) {
  out << bench_headline(report) << "\n";
  for (const auto& peaks : report.peaks) out << peaks_text(peaks) << "\n";
  std::vector<const Contest*> ops, models;
  for (const Contest& contest : report.contests) {
    (contest.op_case != nullptr ? ops : models).push_back(&contest);
  }
  if (!ops.empty()) print_ops(ops, report, out << "\n");
  if (!models.empty()) print_models(models, report, out << "\n");
  print_scaling(report, out);
  if (report.suite && !models.empty()) print_suite_table(models, out << "\n");
  if (report.moves) print_moves(*report.moves, out);
  if (!report.missed.empty()) out << "\nmissed\n";
  for (const Miss& miss : report.missed) {
    out << "  " << miss.name << ": " << miss.target << ": " << miss.found << "\n";
  }
  if (report.gate && report.missed.empty()) out << "\nevery target that could be checked is met\n";
}

std::string bench_json(const BenchReport& report) {
  ordered_json results = ordered_json::array(), missed = ordered_json::array();
  for (const Contest& contest : report.contests) {
    for (const Contestant& c : contest.contestants) {
      results.push_back(result_json(contest, c, report));
    }
  }
  for (const Miss& miss : report.missed) {
    missed.push_back({{"name", miss.name}, {"target", miss.target}, {"found", miss.found}});
  }
  ordered_json peaks = ordered_json::array(), moved = ordered_json();
  for (const auto& p : report.peaks) peaks.push_back(ordered_json::parse(to_json(p)));
  if (report.moves) {
    const auto list = [](const std::vector<Move>& moves) {
      ordered_json out = ordered_json::array();
      for (const Move& m : moves) {
        out.push_back({{"name", m.name}, {"before_ms", m.before_ms}, {"now_ms", m.now_ms}});
      }
      return out;
    };
    moved = {{"file", report.moves->file},
             {"same", report.moves->same},
             {"slower", list(report.moves->slower)},
             {"faster", list(report.moves->faster)},
             {"unknown", report.moves->unknown}};
  }
  return ordered_json{{"results", results},
                      {"peaks", peaks},
                      {"moves", moved},
                      {"missed", missed},
                      {"notes", report.notes},
                      {"version", soma::version()},
                      {"compiler", std::string("g++ ") + __VERSION__},
                      {"cpu", cpu_name()},
                      {"rounds", report.options.rounds},
                      {"seconds", report.options.seconds}}
      .dump();
}
