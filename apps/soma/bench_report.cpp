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

void print_ops(const std::vector<const Contest*>& contests, std::ostream& out) {
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
  Table table(columns);
  for (const Contest* contest : contests) {
    std::vector<std::string> row = {contest->name};
    for (const auto& name : names) {
      const Contestant* c = contest->find(name);
      row.push_back(c == nullptr || !c->ran() ? "-" : milliseconds(spread(c->medians()).median));
    }
    for (const Target* t : shown) {
      row.push_back(ratio_text(ratio(contest->find(t->contestant), contest->find(t->against))));
    }
    table.add(std::move(row));
  }
  table.print(out);
}

void print_models(const std::vector<const Contest*>& contests, std::ostream& out) {
  constexpr auto kRight = Table::Align::right;
  Table table({{"model"},
               {"mode"},
               {"batch", kRight},
               {"contestant"},
               {"ms", kRight},
               {"least", kRight},
               {"most", kRight},
               {"samples/s", kRight},
               {"against the first"}});
  for (const Contest* contest : contests) {
    for (const Contestant& c : contest->contestants) {
      std::vector<std::string> row = {contest->name, name_of(contest->mode),
                                      std::to_string(contest->batch), c.name};
      if (c.ran()) {
        const Spread ms = spread(c.medians());
        row.insert(row.end(),
                   {milliseconds(ms.median), milliseconds(ms.least), milliseconds(ms.most),
                    text_of("%.0f", static_cast<double>(contest->batch) / ms.median * 1e3),
                    ratio_text(ratio(&c, &contest->contestants.front()))});
      } else {
        row.insert(row.end(), {"-", "", "", "", c.reason});
      }
      table.add(std::move(row));
    }
  }
  table.print(out);
}

ordered_json number_or_null(double value) {
  return value > 0 ? ordered_json(value) : ordered_json();
}

/// Backend and numerics of a contestant's name; peers have no numerics.
std::pair<std::string, ordered_json> split(const std::string& name) {
  constexpr std::string_view kExact = "-exact";
  if (is_peer(name)) return {name, ordered_json()};
  if (!name.ends_with(kExact)) return {name, "fast"};
  return {name.substr(0, name.size() - kExact.size()), "exact"};
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
  entry["threads"] = report.options.threads;
  const Spread ms = c.ran() ? spread(c.medians()) : Spread{};
  for (const auto& [key, value] :
       {std::pair{"median_ms", ms.median}, {"min_ms", ms.least}, {"max_ms", ms.most}}) {
    entry[key] = number_or_null(value);
  }
  const double work = op_case != nullptr && c.ran() ? flops(*op_case) / ms.median / 1e6 : 0;
  const double rate =
      op_case == nullptr && c.ran() ? static_cast<double>(contest.batch) / ms.median * 1e3 : 0;
  entry["gflops"] = number_or_null(work);
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
  return std::string("soma ") + soma::version() + ", g++ " + __VERSION__ + ", " + cpu_name() +
         ", " + std::to_string(report.options.threads) + " threads, " +
         std::to_string(report.options.rounds) + " rounds of " +
         text_of("%g", report.options.seconds) + " s";
}

void print_bench_text(const BenchReport& report, std::ostream& out) {
  out << bench_headline(report) << "\n";
  std::vector<const Contest*> ops, models;
  for (const Contest& contest : report.contests) {
    (contest.op_case != nullptr ? ops : models).push_back(&contest);
  }
  if (!ops.empty()) print_ops(ops, out << "\n");
  if (!models.empty()) print_models(models, out << "\n");
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
  return ordered_json{{"results", results},
                      {"missed", missed},
                      {"notes", report.notes},
                      {"version", soma::version()},
                      {"compiler", std::string("g++ ") + __VERSION__},
                      {"cpu", cpu_name()},
                      {"rounds", report.options.rounds},
                      {"seconds", report.options.seconds}}
      .dump();
}
