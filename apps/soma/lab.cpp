#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "bench_report.hpp"
#include "command_line.hpp"
#include "files.hpp"
#include "lab/book.hpp"
#include "lab/tour.hpp"
#include "session.hpp"
#include "soma/error.hpp"
#include "soma/version.hpp"
#include "table.hpp"
#include "work_bar.hpp"

namespace {

using nlohmann::ordered_json;

struct Entry {
  const lab::Chapter* chapter;
  const lab::Experiment* experiment;
};

std::vector<Entry> all_entries() {
  std::vector<Entry> list;
  for (const lab::Chapter& chapter : lab::chapters()) {
    for (const lab::Experiment& e : chapter.experiments) list.push_back({&chapter, &e});
  }
  return list;
}

/// Experiments by their names, or by a concept they are about.
std::vector<Entry> chosen(const std::vector<std::string>& names) {
  const auto all = all_entries();
  std::vector<Entry> list;
  std::vector<std::string> known;
  for (const Entry& e : all) known.emplace_back(e.experiment->id);
  for (const std::string& name : names) {
    const std::size_t before = list.size();
    for (const Entry& e : all) {
      const auto concepts = lab::concepts_of(*e.experiment);
      if (name == e.experiment->id || std::ranges::find(concepts, name) != concepts.end())
        list.push_back(e);
    }
    if (list.size() == before) {
      throw UsageError("lab: no experiment '" + name + "'; did you mean '" +
                       nearest_word(name, known) + "'? ('soma lab --list' shows all)");
    }
  }
  return list;
}

lab::Outcome run(const Entry& entry, const lab::Setting& setting, const std::string& options) {
  lab::Outcome outcome{entry.experiment,
                       entry.chapter,
                       {},
                       "",
                       0,
                       "soma lab " + std::string(entry.experiment->id) + options};
  const auto start = std::chrono::steady_clock::now();
  try {
    outcome.finding = entry.experiment->run(setting);
  } catch (const std::exception& e) {
    outcome.error = e.what();
  }
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

ordered_json json_of(const lab::Outcome& o) {
  ordered_json figures = ordered_json::object();
  for (const lab::Figure& f : o.finding.figures) figures[f.name] = f.value;
  const bool measured = o.error.empty();
  return {{"id", o.experiment->id},
          {"title", o.experiment->title},
          {"concepts", lab::concepts_of(*o.experiment)},
          {"claim", o.experiment->claim},
          {"measured", measured ? ordered_json(o.finding.measured) : ordered_json(nullptr)},
          {"figures", figures},
          {"seeds", o.finding.seeds},
          {"holds", measured ? ordered_json(o.finding.holds) : ordered_json(nullptr)},
          {"picture",
           o.finding.picture.empty() ? ordered_json(nullptr) : ordered_json(o.finding.picture)},
          {"error", measured ? ordered_json(nullptr) : ordered_json(o.error)},
          {"seconds", o.seconds},
          {"command", o.command}};
}

void print_list(bool json) {
  if (json) {
    auto list = ordered_json::array();
    for (const Entry& e : all_entries()) {
      list.push_back({{"id", e.experiment->id},
                      {"title", e.experiment->title},
                      {"chapter", e.chapter->title},
                      {"concepts", lab::concepts_of(*e.experiment)},
                      {"claim", e.experiment->claim}});
    }
    std::cout << ordered_json{{"experiments", list}}.dump() << "\n";
    return;
  }
  Table table({{"concepts"}, {"experiment"}, {"claim"}});
  for (const Entry& e : all_entries())
    table.add({e.experiment->concepts, e.experiment->id, e.experiment->claim});
  table.print(std::cout);
}

void print_outcome(const lab::Outcome& o) {
  std::cout << o.experiment->id << " (" << o.experiment->concepts << "): " << o.experiment->title
            << "\n  claim     " << o.experiment->claim << "\n";
  if (!o.error.empty()) {
    std::cout << "  NOT MEASURED: " << o.error << "\n\n";
    return;
  }
  std::cout << "  measured  " << o.finding.measured << "\n  verdict   "
            << (o.finding.holds ? "holds" : "does not hold") << "\n\n";
}

}  // namespace

int run_lab(Arguments args) {
  if (args.size() == 1 && args[0] == "tour") {
    lab::tell_tour(std::cin, std::cout, isatty(STDIN_FILENO) && isatty(STDOUT_FILENO));
    return 0;
  }
  std::vector<std::string> names;
  std::string backend = "auto", numerics = "exact", html;
  std::optional<std::int64_t> threads, seed;
  bool all = false, list = false, quick = false, sabotage = false, json = false;
  CommandLine line("lab", "[NAME|CONCEPT...] [options]",
                   "What textbooks say of neurons, measured: each experiment has a claim, a "
                   "measurement on real computation and a "
                   "verdict.\n'soma lab tour' tells two stories for a start. Names and concepts "
                   "(S1, S2, ...) are shown by --list.");
  line.positionals("NAME", &names)
      .flag("all", &all, "run every experiment and write the book")
      .flag("list", &list, "show the experiments and what they are about")
      .flag("quick", &quick, "fewer seeds and smaller sizes")
      .option("html", &html, "FILE",
              "write the book of these experiments (with --all by default lab.html)")
      .option("backend", &backend, "NAME", "what networks are computed with (default: auto)")
      .option("numerics", &numerics, "KIND", "fast, exact or bf16 (default: exact)")
      .option("threads", &threads, "N", "threads (default: all CPUs)")
      .option("seed", &seed, "S", "the first seed (default: 1)")
      .flag("sabotage", &sabotage,
            "break the one thing that each experiment names: its verdict must turn round")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("threads", threads, 1);
  require_at_least("seed", seed, 0);
  const soma::Numerics kind = numerics_from_name(numerics);
  if (list || (names.empty() && !all)) {
    print_list(json);
    return 0;
  }
  if (all && !names.empty()) throw UsageError("lab: expected names or --all, got both");
  const auto entries = all ? all_entries() : chosen(names);
  if (all && html.empty() && !json) html = "lab.html";

  lab::Setting setting;
  setting.backend = open_backend(backend, kind);
  setting.threads = static_cast<int>(threads.value_or(0));
  setting.quick = quick;
  setting.sabotage = sabotage;
  setting.seed = static_cast<std::uint64_t>(seed.value_or(1));
  std::string options = quick ? " --quick" : "";
  if (seed) options += " --seed " + std::to_string(*seed);
  if (backend != "auto") options += " --backend " + backend;

  std::vector<lab::Outcome> outcomes;
  {
    WorkBar bar(entries.size(), "experiments");
    for (const Entry& entry : entries) {
      bar.show(outcomes.size(), entry.experiment->id);
      outcomes.push_back(run(entry, setting, options));
    }
  }
  const lab::Edition edition{setting.backend.name(),
                             numerics,
                             soma::version(),
                             cpu_name(),
                             static_cast<int>(threads.value_or(usable_cpus())),
                             quick};
  if (!html.empty()) write_file(html, lab::book_html(outcomes, edition));
  if (json) {
    auto rows = ordered_json::array();
    for (const lab::Outcome& o : outcomes) rows.push_back(json_of(o));
    std::cout << ordered_json{{"experiments", rows},
                              {"backend", edition.backend},
                              {"numerics", numerics},
                              {"quick", quick},
                              {"version", edition.version}}
                     .dump()
              << "\n";
  } else {
    for (const lab::Outcome& o : outcomes) print_outcome(o);
    const auto holding = std::ranges::count_if(
        outcomes, [](const lab::Outcome& o) { return o.error.empty() && o.finding.holds; });
    std::cout << holding << " of " << outcomes.size() << " claims hold"
              << (html.empty() ? "" : "; the book: " + html) << "\n";
  }
  return std::ranges::any_of(outcomes, [](const lab::Outcome& o) { return !o.error.empty(); }) ? 1
                                                                                               : 0;
}
