#include <algorithm>
#include <chrono>
#include <iostream>

#include "certificate.hpp"
#include "certify_report.hpp"
#include "certify_speed.hpp"
#include "certify_words.hpp"
#include "certify_work.hpp"
#include "command_line.hpp"
#include "file_hash.hpp"
#include "files.hpp"
#include "run_config.hpp"
#include "soma/error.hpp"
#include "soma/plugins.hpp"

namespace fs = std::filesystem;
using namespace soma::conformance;

namespace {

std::vector<Level> parse_levels(const std::string& list) {
  if (list.empty()) return {kLevels.begin(), kLevels.end()};
  std::vector<Level> levels;
  for (const std::string& code : split_words(list)) {
    const auto level = level_of(code);
    if (!level) throw UsageError("--level: expected a list of C0 to C7, got '" + code + "'");
    levels.push_back(*level);
  }
  return levels;
}

/// A name is looked for on the search path, where the file carries it; anything that looks like a
/// path is one. Nothing is loaded for it.
fs::path find_subject(const std::string& subject) {
  if (subject.find('/') != std::string::npos || subject.ends_with(".so")) {
    return fs::absolute(subject).lexically_normal();
  }
  const std::string file = "libsoma_" + subject + ".so";
  std::string folders;
  for (const fs::path& folder : soma::plugin_search_path()) {
    std::error_code ignored;
    if (fs::exists(folder / file, ignored)) return folder / file;
    folders += (folders.empty() ? "" : ", ") + folder.string();
  }
  throw soma::PluginError("certify: found no " + file + "; looked in " + folders +
                          "; a plugin in a file of another name is named by its path");
}

/// C7 is part of the whole, and of a part only if it is named.
bool wants_speed(const CertifyRequest& request, const std::string& levels) {
  const bool part = !request.op.empty() || !request.name.empty();
  return request.wants(Level::speed) && (!part || !levels.empty());
}

}  // namespace

int run_certify(Arguments args) {
  if (!args.empty() && args[0] == "--child") return run_certify_child(args.subspan(1));
  if (!args.empty() && args[0] == "--speed") return run_certify_speed_child(args.subspan(1));
  CertifyRequest request;
  std::string levels, numerics = "fast", threads;
  std::optional<std::int64_t> seed;
  std::optional<double> timeout;
  std::string html, junit, json_file, key, fields, inputs;
  bool json = false;
  CommandLine line("certify", "PLUGIN [options]",
                   "Examines a backend, by name, or any plugin file: from the file itself over its "
                   "contract and its numbers,\nforward and backward, to determinism and training. "
                   "Each level runs in child processes, so that a crash\nor a hang is a result.");
  line.positional("PLUGIN", &request.subject)
      .option("level", &levels, "LIST", "only these levels, such as C3,C4 (default: C0 to C7)")
      .option("op", &request.op, "ID", "only this op or family: linear/1.bwd_data, linear")
      .option("case", &request.name, "NAME", "only the case of this name, as a report says it")
      .option("numerics", &numerics, "KIND", "fast, exact or bf16 (default: fast)")
      .option("threads", &threads, "LIST", "thread counts that must agree (default: 1,2,3,4,8,16)")
      .option("seed", &seed, "S", "of the numbers in the cases (default: 1)")
      .option("fields", &fields, "JSON",
              "of a layer, loss or optimizer: fields or options to give it, {\"units\": 8}")
      .option("input", &inputs, "SHAPES",
              "of a layer: the sample it takes, 6,5,4 or 7:int32; several with ';' between them")
      .option("timeout", &timeout, "S", "seconds that a case may take (default: 60)")
      .flag("full", &request.options.full,
            "several seeds, long runs and all 2^32 inputs of functions of one number")
      .flag("json", &json, "print one line of JSON")
      .option("html", &html, "FILE",
              "write a page: a matrix of ops and levels that opens its cases")
      .option("junit", &junit, "FILE", "write JUnit's XML")
      .option("certificate", &json_file, "FILE", "write the JSON to a file")
      .option("sign", &key, "KEY",
              "with --certificate: sign it with this SSH key, through ssh-keygen -Y sign");
  if (!line.parse(args)) return 0;
  require_at_least("seed", seed, 0);
  if (timeout && !(*timeout > 0)) throw UsageError("--timeout: expected a number above 0");
  if (!key.empty() && json_file.empty()) throw UsageError("--sign: goes with --certificate");
  request.levels = parse_levels(levels);
  request.options.numerics = numerics_from_name(numerics);
  request.options.seed = static_cast<std::uint64_t>(seed.value_or(1));
  request.fields = fields;
  request.inputs = inputs;
  request.options.fields = parse_fields(fields);
  request.options.inputs = parse_inputs(inputs);
  request.timeout_seconds = timeout.value_or(request.options.full ? 3600 : 60);
  if (!threads.empty()) {
    request.options.threads = parse_numbers("threads", threads, 1024);
    request.default_threads = false;
  }
  request.file = find_subject(request.subject);

  Certificate certificate;
  certificate.request = std::move(request);
  certificate.sha256 = sha256_of_file(certificate.request.file);
  const auto started = std::chrono::steady_clock::now();
  const bool runnable = do_certify_work(certificate);
  // Timings mean little beside other work and nothing of a file that does not run.
  if (runnable && wants_speed(certificate.request, levels)) do_certify_speed(certificate);
  certificate.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (certificate.results.empty()) {
    throw soma::StateError(
        "certify: no case matches; a report names them, and so does 'soma certify " +
        certificate.request.subject + " --json'");
  }
  if (json) {
    std::cout << certificate_json(certificate) << "\n";
  } else {
    print_certificate(certificate, std::cout);
  }
  if (!html.empty()) write_file(html, certificate_html(certificate));
  if (!junit.empty()) write_file(junit, certificate_junit(certificate));
  if (!json_file.empty()) write_file(json_file, certificate_json(certificate) + "\n");
  if (!key.empty()) sign_file(json_file, key);
  return certificate.passed() ? 0 : 1;
}
