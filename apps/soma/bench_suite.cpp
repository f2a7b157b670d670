// The table of `soma bench --suite peers`: a row for each workload, times and ratios in columns.
#include <algorithm>
#include <cstdio>

#include "bench_report.hpp"
#include "table.hpp"
#include "workload.hpp"

namespace {

constexpr const char* kOwn[] = {"onednn", "onednn-exact", "tbb"};
constexpr const char* kPeers[] = {"raw", "pytorch-tuned", "pytorch", "onnxruntime"};

std::string workload_name(const Contest& contest, bool with_threads) {
  const auto& models = suite_models();
  const auto at = std::ranges::find(models, contest.name) - models.begin();
  std::string name = "W" + std::to_string(at + 1) + " " + contest.name + " " +
                     name_of(contest.mode) + " " + std::to_string(contest.batch);
  if (with_threads) name += ", " + std::to_string(contest.threads) + "t";
  return name;
}

std::string time_cell(const Contest& contest, const char* contestant) {
  const Contestant* c = contest.find(contestant);
  return c == nullptr || !c->ran() ? "-" : milliseconds(spread(c->medians()).median);
}

/// The ratio, with a star where its target is missed.
std::string ratio_cell(const Contest& contest, const char* a, const char* b) {
  const auto found = ratio(contest.find(a), contest.find(b));
  if (!found) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", found->median);
  for (const Target& target : targets_of(contest)) {
    if (target.contestant == a && target.against == b && found->median > target.limit) {
      return text + std::string("*");
    }
  }
  return text;
}

std::string best_cell(const Contest& contest) {
  const Contestant *best = fastest(contest, false), *peer = fastest(contest, true);
  const auto found = ratio(best, peer);
  if (!found) return "-";
  char text[96];
  std::snprintf(text, sizeof text, "%.2f", found->median);
  std::string cell = text;
  for (const Target& target : targets_of(contest)) {
    if (target.contestant == "best" && found->median > target.limit) cell += "*";
  }
  return cell + " " + best->name + "/" + peer->name;
}

}  // namespace

void print_suite_table(const std::vector<const Contest*>& contests, std::ostream& out) {
  constexpr auto kRight = Table::Align::right;
  std::vector<Table::Column> columns = {{"ms"}};
  for (const char* name : kPeers) columns.push_back({name, kRight});
  for (const char* name : kOwn) columns.push_back({name, kRight});
  for (const char* title : {"onednn/raw", "tbb/onednn", "exact/onednn", "onednn/tuned"}) {
    columns.push_back({title, kRight});
  }
  columns.push_back({"best/fastest peer"});
  const bool threads = std::ranges::any_of(
      contests, [&](const Contest* c) { return c->threads != contests.front()->threads; });
  Table table(columns);
  for (const Contest* contest : contests) {
    std::vector<std::string> row = {workload_name(*contest, threads)};
    for (const char* name : kPeers) row.push_back(time_cell(*contest, name));
    for (const char* name : kOwn) row.push_back(time_cell(*contest, name));
    row.push_back(ratio_cell(*contest, "onednn", "raw"));
    row.push_back(ratio_cell(*contest, "tbb", "onednn"));
    row.push_back(ratio_cell(*contest, "onednn-exact", "onednn"));
    row.push_back(ratio_cell(*contest, "onednn", "pytorch-tuned"));
    row.push_back(best_cell(*contest));
    table.add(std::move(row));
  }
  table.print(out);
  out << "raw: the sum of oneDNN's primitives; ratios are medians over the rounds, * misses its "
         "target\n";
}
