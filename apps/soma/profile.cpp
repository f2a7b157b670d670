#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "allocation_count.hpp"
#include "command_line.hpp"
#include "files.hpp"
#include "run_config.hpp"
#include "session.hpp"
#include "soma/random_step.hpp"
#include "table.hpp"
#include "workload.hpp"

using nlohmann::ordered_json;
using soma::KernelTime;
using soma::StepTimes;

namespace {

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::ranges::sort(values);
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2;
}

/// One kernel over all steps.
struct Row {
  KernelTime kernel;
  double us = 0;  ///< median
};

/// All steps ran the same kernels, but for packs, which the first steps may have made alone.
std::vector<Row> rows_of(const std::vector<StepTimes>& steps) {
  std::vector<Row> rows;
  for (const KernelTime& kernel : steps.back().kernels) rows.push_back({kernel});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::vector<double> times;
    for (const StepTimes& step : steps) {
      if (step.kernels.size() == rows.size()) times.push_back(step.kernels[i].duration_us);
    }
    rows[i].us = median(std::move(times));
  }
  return rows;
}

std::string number(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string kind_of(const KernelTime& kernel) {
  return kernel.pack ? "pack for " + kernel.op.id : kernel.op.id;
}

struct Sums {
  double kernels = 0, packs = 0, total = 0, flops = 0;
};

std::string bytes_text(std::size_t bytes) { return grouped(static_cast<std::int64_t>(bytes)); }

/// The rows themselves, or one for each layer or op and phase, in the order they are first met.
std::vector<Row> grouped_rows(const std::vector<Row>& rows, const std::string& by) {
  if (by == "kernel") return rows;
  std::vector<Row> groups;
  for (Row row : rows) {
    (by == "layer" ? row.kernel.op.id : row.kernel.layer) = "";
    row.kernel.implementation = "";
    row.kernel.pack = row.kernel.pack && by == "op";
    const auto same = std::ranges::find_if(groups, [&](const Row& group) {
      return group.kernel.layer == row.kernel.layer && group.kernel.phase == row.kernel.phase &&
             group.kernel.op.id == row.kernel.op.id && group.kernel.pack == row.kernel.pack;
    });
    if (same == groups.end()) {
      groups.push_back(std::move(row));
      continue;
    }
    same->us += row.us;
    same->kernel.flops += row.kernel.flops;
    same->kernel.bytes += row.kernel.bytes;
    same->kernel.allocations += row.kernel.allocations;
  }
  return groups;
}

void print_rows(std::vector<Row> rows, const Sums& sums, bool by_time) {
  if (by_time) std::ranges::stable_sort(rows, std::greater(), &Row::us);
  using enum Table::Align;
  Table table({{"layer"},
               {"phase"},
               {"kernel"},
               {"us", right},
               {"share", right},
               {"GFLOP/s", right},
               {"GB/s", right},
               {"allocations", right},
               {"implementation"}});
  for (const Row& row : rows) {
    const KernelTime& k = row.kernel;
    table.add({k.layer, name_of(k.phase), kind_of(k), number(row.us, 1),
               number(100 * row.us / sums.total, 1) + " %",
               k.flops > 0 ? number(k.flops / row.us / 1e3, 0) : "",
               k.bytes > 0 ? number(k.bytes / row.us / 1e3, 1) : "",
               k.allocations < 0 ? "" : std::to_string(k.allocations), k.implementation});
  }
  table.print(std::cout);
}

/// The last step as a file for chrome://tracing or ui.perfetto.dev.
void write_trace(const std::string& file, const StepTimes& step) {
  auto events = ordered_json::array();
  for (const KernelTime& k : step.kernels) {
    events.push_back({{"name", kind_of(k)},
                      {"cat", name_of(k.phase)},
                      {"ph", "X"},
                      {"pid", 1},
                      {"tid", 1},
                      {"ts", k.begin_us},
                      {"dur", k.duration_us},
                      {"args",
                       {{"layer", k.layer},
                        {"op", k.op.str()},
                        {"implementation", k.implementation},
                        {"flops", k.flops},
                        {"bytes", k.bytes},
                        {"allocations", k.allocations}}}});
  }
  write_file(file, ordered_json{{"displayTimeUnit", "ms"}, {"traceEvents", events}}.dump(1) + "\n");
}

ordered_json json_of(const std::vector<Row>& rows) {
  auto list = ordered_json::array();
  for (const Row& row : rows) {
    const KernelTime& k = row.kernel;
    list.push_back({{"layer", k.layer},
                    {"phase", name_of(k.phase)},
                    {"op", k.op.id},
                    {"pack", k.pack},
                    {"us", row.us},
                    {"flops", k.flops},
                    {"bytes", k.bytes},
                    {"allocations", k.allocations},
                    {"implementation", k.implementation},
                    {"shapes", k.op.str()}});
  }
  return list;
}

std::vector<StepTimes> time_steps(soma::RandomStep& step, std::int64_t steps) {
  constexpr std::int64_t kWarm = 3;
  for (std::int64_t i = 0; i < kWarm; ++i) step.timed_run();
  std::vector<StepTimes> all;
  for (std::int64_t i = 0; i < steps; ++i) all.push_back(step.timed_run());
  return all;
}

}  // namespace

int run_profile(Arguments args) {
  std::string source, backend_name = "auto", numerics = "fast", mode = "train", order = "program";
  std::string by = "kernel";
  std::string trace;
  std::optional<std::int64_t> batch, threads, steps;
  bool json = false;
  CommandLine line("profile", "MODEL|RUN|FILE [options]",
                   "Where the time of a training step or a prediction goes, kernel by kernel: "
                   "medians over some steps on random samples. FLOP/s count a multiply-add as two, "
                   "bytes are those of all operands once.");
  line.positional("MODEL", &source)
      .option("mode", &mode, "train|infer", "what to time (default train)")
      .option("backend", &backend_name, "NAME", "default auto")
      .option("numerics", &numerics, "fast|exact|bf16", "default fast")
      .option("threads", &threads, "N", "default: all CPUs")
      .option("batch", &batch, "B", "samples at a time (default: by model)")
      .option("steps", &steps, "S", "timed steps, after three others (default 20)")
      .option("order", &order, "program|time", "of the rows (default program)")
      .option("by", &by, "kernel|layer|op", "what a row is (default kernel)")
      .option("trace", &trace, "FILE", "write the last step for chrome://tracing or Perfetto")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("batch", batch, 1);
  require_at_least("threads", threads, 1);
  require_at_least("steps", steps, 1);
  const std::string modes[] = {"train", "infer"}, orders[] = {"program", "time"},
                    groups[] = {"kernel", "layer", "op"};
  require_one_of("mode", mode, modes);
  require_one_of("order", order, orders);
  require_one_of("by", by, groups);

  const soma::Model model = any_model(source);
  const soma::bench::Workload usual = soma::bench::workload_of(model.name());
  const std::int64_t n = batch.value_or(usual.batch);
  const int used = static_cast<int>(threads.value_or(usable_cpus()));
  const soma::StepKind kind = {
      .purpose = mode == "train" ? soma::Purpose::train : soma::Purpose::infer,
      .batch = n,
      .threads = used,
      .numerics = numerics_from_name(numerics),
      .optimizer = usual.optimizer};
  const soma::Backend backend =
      open_backend(backend_name, model, kind, steps.value_or(20), Tell::always);
  soma::RandomStep step(model, backend, kind);
  soma::set_allocation_counter(allocations_so_far);
  const auto all = time_steps(step, steps.value_or(20));
  soma::set_allocation_counter(nullptr);
  const soma::StepMemory plan = step.step_memory();
  const auto rows = grouped_rows(rows_of(all), by);
  Sums sums;
  std::vector<double> totals;
  for (const StepTimes& step : all) totals.push_back(step.total_us);
  sums.total = median(totals);
  for (const Row& row : rows_of(all)) {
    (row.kernel.pack ? sums.packs : sums.kernels) += row.us;
    sums.flops += row.kernel.flops;
  }
  const double outside = std::max(0.0, sums.total - sums.kernels - sums.packs);
  if (!trace.empty()) write_trace(trace, all.back());
  if (json) {
    std::cout << ordered_json{{"model", model.name()},
                              {"mode", mode},
                              {"batch", n},
                              {"backend", backend.name()},
                              {"numerics", numerics},
                              {"threads", used},
                              {"steps", all.size()},
                              {"total_us", sums.total},
                              {"kernels_us", sums.kernels},
                              {"packs_us", sums.packs},
                              {"outside_us", outside},
                              {"flops", sums.flops},
                              {"allocations", all.back().allocations},
                              {"planned_bytes", plan.arena_bytes + plan.pack_bytes},
                              {"arena_bytes", plan.arena_bytes},
                              {"ideal_bytes", plan.ideal_bytes + plan.pack_bytes},
                              {"pack_bytes", plan.pack_bytes},
                              {"kernels", json_of(rows_of(all))}}
                     .dump()
              << "\n";
    return 0;
  }
  std::cout << model.name() << ", " << mode << ", batch " << n << ", " << backend.name() << " "
            << numerics << ", " << used << " threads, medians of " << all.size() << " steps\n\n";
  print_rows(rows, sums, order == "time");
  std::cout << "\nstep " << number(sums.total, 1) << " us: kernels " << number(sums.kernels, 1)
            << ", packing weights " << number(sums.packs, 1) << " ("
            << number(100 * sums.packs / sums.total, 1) << " %), outside kernels "
            << number(outside, 1) << " (" << number(100 * outside / sums.total, 1) << " %); "
            << number(sums.flops / sums.total / 1e3, 0) << " GFLOP/s";
  if (all.back().allocations >= 0) std::cout << "; " << all.back().allocations << " allocations";
  std::cout << "\nmemory plan " << bytes_text(plan.arena_bytes) << " bytes, "
            << number(static_cast<double>(plan.arena_bytes) /
                          static_cast<double>(std::max<std::size_t>(1, plan.ideal_bytes)),
                      3)
            << " times the most that is alive at once (" << bytes_text(plan.ideal_bytes)
            << "); packed weights " << bytes_text(plan.pack_bytes) << " bytes\n";
  if (!trace.empty()) std::cout << "trace: " << trace << "\n";
  return 0;
}
