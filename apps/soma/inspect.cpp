#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "cures.hpp"
#include "files.hpp"
#include "inspect_look.hpp"
#include "inspection.hpp"

namespace {

struct Request {
  std::string source, html, apply, out;
  std::string numerics = "fast";
  InspectionPlan plan;
  LookOptions look;  // at single neurons instead
  std::optional<std::int64_t> threads, batch;
  bool strict = false, json = false;
};

CommandLine command_line(Request& r) {
  CommandLine line("inspect", "RUN|FILE [--data SPEC] [options]",
                   "Examines a trained model on the test part of a data set, layer by layer and "
                   "neuron by neuron: dead,\nsaturated and duplicate units, gradients, updates, "
                   "weights; raises alarms and names their cures.\nA run's own data is taken when "
                   "--data is absent.");
  line.positional("RUN", &r.source)
      .option("data", &r.plan.data, "SPEC",
              "data set: a name of 'soma data list', csv:FILE, text:FILE, idx:DIR, ...")
      .option("apply", &r.apply, "CURE",
              "train the run anew with this cure and compare: first (that of the first alarm), "
              "leaky_relu,\nprelu, elu, gelu, relu, lower-lr, he-init, clip-norm, batch-norm, "
              "residual, dropout")
      .option("out", &r.out, "RUN", "the new run's folder (default RUN-CURE)")
      .option("html", &r.html, "FILE", "write a page with every layer and neuron")
      .option("backend", &r.plan.backend, "NAME", "auto (default) or one of 'soma backends'")
      .option("fallback", &r.plan.fallback, "NAME", "the backend for ops that this one lacks")
      .option("threads", &r.threads, "N", "threads; all usable CPUs if absent")
      .option("numerics", &r.numerics, "KIND", "fast (default), exact or bf16")
      .option("batch", &r.batch, "B", "samples at a time (default 256)")
      .flag("strict", &r.strict, "exit code 1 if there is an alarm")
      .flag("json", &r.json, "print one line of JSON");
  r.look.declare(line);
  return line;
}

/// What looking at single neurons shares with an examination.
LookRequest look_request(const Request& r) {
  LookRequest request;
  request.source = r.source;
  request.data = r.plan.data;
  request.backend = r.plan.backend;
  request.fallback = r.plan.fallback;
  request.numerics = r.plan.numerics;
  request.threads = r.plan.threads;
  request.batch = r.plan.batch;
  request.html = r.html;
  request.json = r.json;
  return request;
}

/// "--apply" with nothing behind it stands for "--apply first".
std::vector<std::string> with_first_cure(Arguments args) {
  std::vector<std::string> list(args.begin(), args.end());
  const auto at = std::ranges::find(list, "--apply");
  if (at == list.end()) return list;
  if (at + 1 == list.end() || (at + 1)->starts_with('-')) list.insert(at + 1, "first");
  return list;
}

}  // namespace

int run_inspect(Arguments args) {
  Request r;
  CommandLine line = command_line(r);
  if (!line.parse(with_first_cure(args))) return 0;
  if (line.given("out") && r.apply.empty()) throw UsageError("--out: goes with --apply CURE");
  require_at_least("threads", r.threads, 1);
  require_at_least("batch", r.batch, 1);
  if (!r.apply.empty() && r.apply != "first") {
    require_one_of("apply", r.apply,
                   std::vector<std::string>(cure_names().begin(), cure_names().end()));
  }
  r.plan.numerics = numerics_from_name(r.numerics);
  r.plan.threads = static_cast<int>(r.threads.value_or(0));
  r.plan.batch = r.batch.value_or(r.plan.batch);

  if (r.look.given(line)) {
    if (!r.apply.empty()) throw UsageError("--apply: not with --neuron, --sample or --gallery");
    return r.look.run(look_request(r));
  }
  const Inspection found = inspect_model(r.source, r.plan);
  if (!r.html.empty()) write_file(r.html, inspection_html(found));
  if (!r.apply.empty()) return apply_and_compare(r.apply, r.out, found, r.plan, r.json);
  if (r.json) {
    std::cout << inspection_json(found).dump() << "\n";
  } else {
    print_inspection(std::cout, found);
    if (!r.html.empty()) std::cout << "page    " << r.html << "\n";
  }
  return r.strict && !found.examination.alarms.empty() ? 1 : 0;
}
