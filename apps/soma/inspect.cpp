#include "command_line.hpp"
#include "inspect_look.hpp"

int run_inspect(Arguments args) {
  LookRequest request;
  LookOptions look;
  std::optional<std::int64_t> threads, batch;
  std::string numerics = "fast";
  CommandLine line("inspect", "RUN|FILE [--data SPEC] [options]", "Looks at a trained model.");
  line.positional("RUN", &request.source)
      .option("data", &request.data, "SPEC", "data set")
      .option("html", &request.html, "FILE", "write a page")
      .option("backend", &request.backend, "NAME", "auto (default) or one of 'soma backends'")
      .option("fallback", &request.fallback, "NAME", "the backend for ops that this one lacks")
      .option("threads", &threads, "N", "threads; all usable CPUs if absent")
      .option("numerics", &numerics, "KIND", "fast (default) or exact")
      .option("batch", &batch, "B", "samples at a time (default 256)")
      .flag("json", &request.json, "print one line of JSON");
  look.declare(line);
  if (!line.parse(args)) return 0;
  require_at_least("threads", threads, 1);
  require_at_least("batch", batch, 1);
  request.numerics = numerics_from_name(numerics);
  request.threads = static_cast<int>(threads.value_or(0));
  request.batch = batch.value_or(request.batch);
  if (!look.given(line)) throw UsageError("inspect: expected --neuron, --sample or --gallery");
  return look.run(request);
}
