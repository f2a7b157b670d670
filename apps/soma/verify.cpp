#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "certify_words.hpp"
#include "command_line.hpp"
#include "file_hash.hpp"
#include "files.hpp"
#include "lockstep.hpp"
#include "session.hpp"
#include "soma/plugins.hpp"
#include "table.hpp"
#include "training_certificate.hpp"
#include "work_bar.hpp"

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Epoch = TrainingCertificate::Epoch;
using Session = TrainingCertificate::Session;

namespace {

/// What one side made of the run.
struct Recomputed {
  Side side;
  std::vector<Epoch> epochs;   ///< as far as it came
  std::optional<Epoch> wrong;  ///< the first that is not as recorded; in it what was recomputed
  bool wrong_start = false;    ///< other weights before the first step
  std::string trouble;         ///< why it could not go on
  double seconds = 0;

  bool same() const { return trouble.empty() && !wrong && !wrong_start; }
};

[[noreturn]] void refuse(const std::string& sentence) {
  throw soma::StateError("verify: " + sentence);
}

/// Plugins that bring no backend take part on every side, so each must be there.
void check_plugins(const TrainingCertificate& certificate) {
  for (const auto& plugin : certificate.sessions.back().plugins) {
    if (plugin.kind.find("backend") != std::string::npos) continue;
    const fs::path file = plugin.path.filename();
    fs::path found;
    std::string looked;
    for (const fs::path& folder : soma::plugin_search_path()) {
      std::error_code ignored;
      if (found.empty() && fs::exists(folder / file, ignored)) found = folder / file;
      looked += (looked.empty() ? "" : ", ") + folder.string();
    }
    if (found.empty()) {
      refuse("the run used the plugin " + plugin.name + " (" + plugin.kind + "), and there is no " +
             file.string() + "; looked in " + looked);
    }
    if (sha256_of_file(found) != plugin.sha256) {
      std::cerr << "verify: " << found.string()
                << " is not the file that the run used: its SHA-256 differs\n";
    }
  }
}

void check_promise(const TrainingCertificate& certificate) {
  if (certificate.sessions.front().from_step > 0) {
    refuse("the certificate begins at step " +
           std::to_string(certificate.sessions.front().from_step) +
           "; what was trained before it has none");
  }
  if (certificate.epochs.empty()) refuse("the run has not finished an epoch yet");
  for (const Session& session : certificate.sessions) {
    if (session.exact) continue;
    refuse("the run was trained on " + session.backend + " with " + name_of(session.numerics) +
           " numerics, whose kernels promise bounds and not bits; compare it kernel by kernel "
           "with: soma compare " +
           session.backend + ":" + name_of(session.numerics) + " reference --run RUN");
  }
}

bool same_loss(double a, double b) { return a == b || (!std::isfinite(a) && !std::isfinite(b)); }

bool same(const Epoch& a, const Epoch& b) {
  return a.weights_sha256 == b.weights_sha256 && same_loss(a.loss, b.loss);
}

/// Trains again on one side, up to the first epoch that differs.
Recomputed recompute(const TrainingCertificate& certificate, const Side& side,
                     const std::vector<Epoch>& wanted) {
  Recomputed result;
  result.side = side;
  const auto started = std::chrono::steady_clock::now();
  ReplayJob job = replay_job(certificate, side);
  job.until = wanted.back().step;
  for (const Epoch& epoch : wanted) job.report_at.push_back(epoch.step);
  ReplayProcess process(job);
  WorkBar bar(static_cast<std::size_t>(job.until), "steps");
  std::size_t steps = 0;
  while (result.same() && result.epochs.size() < wanted.size()) {
    const ReplayProcess::Message said = process.next();
    if (said.kind == "step") bar.show(++steps, side.str());
    if (said.kind == "error" || said.kind == "died") result.trouble = said.text;
    if (said.kind == "ready" && ordered_json::parse(said.text).at("exact") != true) {
      result.trouble = "some of its kernels promise bounds and not bits";
    }
    if (said.kind == "start") result.wrong_start = said.text != certificate.start_sha256;
    if (said.kind != "at") continue;
    const auto at = ordered_json::parse(said.text);
    Epoch epoch = wanted[result.epochs.size()];
    const Epoch& recorded = wanted[result.epochs.size()];
    epoch.loss = at.at("loss").is_null() ? NAN : at.at("loss").get<double>();
    epoch.weights_sha256 = at.at("weights_sha256").get<std::string>();
    if (!same(epoch, recorded)) result.wrong = epoch;
    result.epochs.push_back(std::move(epoch));
  }
  result.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return result;
}

/// Takes the first wrong side apart, against one with another result: one of the others or, if they
/// are all of one mind, what the certificate was written on.
std::optional<Comparison> take_apart(const TrainingCertificate& certificate,
                                     const std::vector<Recomputed>& all) {
  const auto wrong = std::ranges::find_if(all, [](const auto& r) { return r.wrong.has_value(); });
  if (wrong == all.end()) return std::nullopt;
  const std::size_t epochs = wrong->epochs.size();
  const auto other = std::ranges::find_if(all, [&](const Recomputed& r) {
    return r.epochs.size() >= epochs && !same(r.epochs[epochs - 1], *wrong->wrong);
  });
  const Side a = other != all.end() ? other->side : recorded_side(certificate, *wrong->wrong);
  ReplayJob left = replay_job(certificate, a), right = replay_job(certificate, wrong->side);
  left.until = right.until = wrong->wrong->step;
  return compare_in_lockstep(left, right);
}

std::string verdict(const Recomputed& r) {
  if (!r.trouble.empty()) return "failed: " + r.trouble;
  if (r.wrong_start) return "DIFFERS before the first step";
  if (r.wrong) return "DIFFERS at epoch " + std::to_string(r.wrong->epoch);
  return "same";
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", seconds);
  return text;
}

void print_table(const TrainingCertificate& certificate, const std::vector<Recomputed>& all,
                 std::size_t epochs) {
  using enum Table::Align;
  Table table({{"backend"},
               {"threads", right},
               {"epochs", right},
               {"seconds", right},
               {"weights"},
               {"against the certificate"}});
  const Session& session = certificate.sessions.back();
  table.add({session.backend + " (recorded)", std::to_string(session.threads),
             std::to_string(epochs), "",
             certificate.epochs[epochs - 1].weights_sha256.substr(0, 12), ""});
  for (const Recomputed& r : all) {
    const Side& side = r.side;
    table.add({side.backend + (side.fallback.empty() ? "" : "+" + side.fallback),
               std::to_string(side.threads), std::to_string(r.epochs.size()),
               seconds_text(r.seconds),
               r.epochs.empty() ? "" : r.epochs.back().weights_sha256.substr(0, 12), verdict(r)});
  }
  table.print(std::cout);
}

ordered_json json_of(const Epoch& epoch) {
  return {{"epoch", epoch.epoch},
          {"step", epoch.step},
          {"loss", std::isfinite(epoch.loss) ? ordered_json(epoch.loss) : ordered_json()},
          {"weights_sha256", epoch.weights_sha256}};
}

ordered_json json_of(const Recomputed& r) {
  auto epochs = ordered_json::array();
  for (const Epoch& epoch : r.epochs) epochs.push_back(json_of(epoch));
  return {{"backend", r.side.backend},
          {"fallback", r.side.fallback},
          {"numerics", name_of(r.side.numerics)},
          {"threads", r.side.threads},
          {"same", r.same()},
          {"verdict", verdict(r)},
          {"seconds", r.seconds},
          {"epochs", epochs}};
}

/// The sides to recompute on: every backend with every thread count.
std::vector<Side> sides_for(const TrainingCertificate& certificate, const std::string& backends,
                            const std::string& threads) {
  const Session& session = certificate.sessions.back();
  std::vector<std::string> names = split_words(backends);
  if (backends.empty()) {
    names = soma::backend_names();
    if (std::ranges::find(names, session.backend) == names.end()) {
      names.insert(names.begin(), session.backend);  // to say what became of it
    }
  }
  std::vector<int> counts{1};
  if (usable_cpus() > 1) counts.push_back(usable_cpus());
  if (!threads.empty()) counts = parse_numbers("threads", threads, 1024);
  std::vector<Side> sides;
  for (const std::string& name : names) {
    if (name.find('@') != std::string::npos) {
      throw UsageError("--backends: '" + name + "': thread counts go to --threads");
    }
    // A backend that is exact as it is, is so under either numerics.
    Side side = side_from(name, {.fallback = session.fallback, .numerics = soma::Numerics::exact});
    if (side.fallback == side.backend) side.fallback.clear();
    for (const int n : counts) {
      side.threads = n;
      sides.push_back(side);
    }
  }
  return sides;
}

}  // namespace

int run_verify(Arguments args) {
  if (!args.empty() && args[0] == "--child") return run_replay_child();
  std::string file, backends, threads;
  std::optional<std::int64_t> epochs;
  bool json = false;
  CommandLine line("verify", "CERTIFICATE|RUN [options]",
                   "Trains the run of a certificate.json again on every backend with every thread "
                   "count, each in a process of its own,\nand compares the weights after each "
                   "epoch. If they differ it names the first step, layer, op and element.");
  line.positional("CERTIFICATE", &file)
      .option("backends", &backends, "LIST",
              "backends, each NAME[+FALLBACK] (default: all that are ready)")
      .option("threads", &threads, "LIST", "thread counts (default: 1 and all CPUs)")
      .option("epochs", &epochs, "N", "only the first N epochs (default: all)")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("epochs", epochs, 1);
  if (!threads.empty()) parse_numbers("threads", threads, 1024);

  if (fs::is_directory(file)) file = RunFolder{file}.certificate().string();
  const TrainingCertificate certificate = TrainingCertificate::from_json(read_file(file), file);
  check_promise(certificate);
  const std::vector<Side> sides = sides_for(certificate, backends, threads);
  check_plugins(certificate);
  require_data(certificate.config);
  std::vector<Epoch> wanted = certificate.epochs;
  if (epochs && *epochs < std::ssize(wanted)) wanted.resize(static_cast<std::size_t>(*epochs));

  std::vector<Recomputed> all;
  for (const Side& side : sides) {
    all.push_back(recompute(certificate, side, wanted));
    std::cerr << side.str() << ": " << verdict(all.back()) << "\n";
  }
  const bool passed = std::ranges::all_of(all, &Recomputed::same);
  const auto comparison = take_apart(certificate, all);
  if (json) {
    auto runs = ordered_json::array();
    for (const Recomputed& r : all) runs.push_back(json_of(r));
    auto recorded = ordered_json::array();
    for (const Epoch& epoch : wanted) recorded.push_back(json_of(epoch));
    std::cout << ordered_json{{"passed", passed},
                              {"certificate", file},
                              {"model", certificate.config.model},
                              {"data", certificate.config.data},
                              {"recorded", recorded},
                              {"runs", runs},
                              {"divergence",
                               comparison ? comparison_json(*comparison) : ordered_json()}}
                     .dump(-1, ' ', false, ordered_json::error_handler_t::replace)
              << "\n";
    return passed ? 0 : 1;
  }
  std::cout << certificate.config.model << " on " << certificate.config.data << ", seed "
            << certificate.config.seed << ", " << wanted.size()
            << (wanted.size() == 1 ? " epoch, " : " epochs, ") << wanted.back().step
            << " steps: " << file << "\n\n";
  print_table(certificate, all, wanted.size());
  if (comparison) {
    std::cout << "\nfrom the first step on, in lock-step\n";
    print_comparison(*comparison, std::cout);
    if (comparison->passed() && !comparison->first) {
      std::cout << kAgreedAfterAll;
    }
  }
  std::cout << "\n" << (passed ? "verified: the same weights everywhere" : "NOT verified") << "\n";
  return passed ? 0 : 1;
}
