#include <algorithm>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "files.hpp"
#include "run_config.hpp"
#include "session.hpp"
#include "soma/memory_plan.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
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
               {"implementation"}});
  for (const Row& row : rows) {
    const KernelTime& k = row.kernel;
    table.add({k.layer, name_of(k.phase), kind_of(k), number(row.us, 1),
               number(100 * row.us / sums.total, 1) + " %",
               k.flops > 0 ? number(k.flops / row.us / 1e3, 0) : "",
               k.bytes > 0 ? number(k.bytes / row.us / 1e3, 1) : "", k.implementation});
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
                        {"bytes", k.bytes}}}});
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
                    {"implementation", k.implementation},
                    {"shapes", k.op.str()}});
  }
  return list;
}

std::vector<StepTimes> time_steps(soma::Model& model, const soma::Backend& backend, bool training,
                                  std::int64_t batch, int threads, std::int64_t steps,
                                  std::size_t* planned_bytes) {
  constexpr std::int64_t kWarm = 3;
  std::vector<StepTimes> all;
  const auto collect = [&](auto step) {
    for (std::int64_t i = 0; i < kWarm; ++i) step();
    for (std::int64_t i = 0; i < steps; ++i) all.push_back(step());
  };
  if (training) {
    soma::Trainer trainer(
        model, backend,
        {.optimizer = soma::bench::workload_of(model.name()).optimizer, .threads = threads});
    const soma::bench::Batch data(model, batch);
    collect([&] { return trainer.timed_step(data.inputs(), data.targets()); });
    *planned_bytes = trainer.planned_bytes(batch);
  } else {
    if (!model.initialized()) model.initialize(1);
    const soma::Predictor predict(model, backend,
                                  {.max_batch = batch, .threads = threads, .concurrency = 1});
    const soma::bench::Batch data(model, batch);
    std::vector<std::vector<float>> results;
    std::vector<std::span<float>> outputs;
    for (std::size_t i = 0; i < predict.outputs(); ++i) {
      outputs.emplace_back(
          results.emplace_back(static_cast<std::size_t>(predict.output_size(i) * batch)));
    }
    collect([&] { return predict.timed_run(data.inputs(), outputs); });
    *planned_bytes = predict.planned_bytes();
  }
  return all;
}

}  // namespace

int run_profile(Arguments args) {
  std::string source, backend_name = "auto", numerics = "fast", mode = "train", order = "program";
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
      .option("numerics", &numerics, "fast|exact", "default fast")
      .option("threads", &threads, "N", "default: all CPUs")
      .option("batch", &batch, "B", "samples at a time (default: by model)")
      .option("steps", &steps, "S", "timed steps, after three others (default 20)")
      .option("order", &order, "program|time", "of the rows (default program)")
      .option("trace", &trace, "FILE", "write the last step for chrome://tracing or Perfetto")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("batch", batch, 1);
  require_at_least("threads", threads, 1);
  require_at_least("steps", steps, 1);
  const std::string modes[] = {"train", "infer"}, orders[] = {"program", "time"};
  require_one_of("mode", mode, modes);
  require_one_of("order", order, orders);

  soma::Model model = any_model(source);
  const soma::Backend backend = open_backend(backend_name, numerics_from_name(numerics));
  const std::int64_t n = batch.value_or(soma::bench::workload_of(model.name()).batch);
  const int used = static_cast<int>(threads.value_or(usable_cpus()));
  std::size_t planned_bytes = 0;
  const auto all =
      time_steps(model, backend, mode == "train", n, used, steps.value_or(20), &planned_bytes);
  // The packs lie beside the plan.
  std::size_t ideal_bytes = 0;
  if (mode == "train") {
    const auto optimizer = soma::bench::workload_of(model.name()).optimizer;
    const soma::MemoryPlan plan = soma::training_memory(model, backend, n, optimizer);
    ideal_bytes = plan.ideal + plan.packs;
  }
  const auto rows = rows_of(all);
  Sums sums;
  std::vector<double> totals;
  for (const StepTimes& step : all) totals.push_back(step.total_us);
  sums.total = median(totals);
  for (const Row& row : rows) {
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
                              {"planned_bytes", planned_bytes},
                              {"ideal_bytes", ideal_bytes},
                              {"kernels", json_of(rows)}}
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
            << number(sums.flops / sums.total / 1e3, 0) << " GFLOP/s; planned memory "
            << grouped(static_cast<std::int64_t>(planned_bytes)) << " bytes";
  if (ideal_bytes > 0) {
    std::cout << ", at least " << grouped(static_cast<std::int64_t>(ideal_bytes))
              << " for what is alive at once";
  }
  std::cout << "\n";
  if (!trace.empty()) std::cout << "trace: " << trace << "\n";
  return 0;
}
