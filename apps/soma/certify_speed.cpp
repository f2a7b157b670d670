#include "certify_speed.hpp"

#include <poll.h>
#include <sys/prctl.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <iostream>

#include "backend_run.hpp"
#include "session.hpp"
#include "soma/op_catalogue.hpp"
#include "soma/plugins.hpp"
#include "work_bar.hpp"
#include "worker_process.hpp"

using namespace soma::conformance;

namespace {

constexpr double kSecondsPerOp = 0.02;
constexpr int kPollMilliseconds = 200;

/// The ops of the catalogue that the request asks for.
std::vector<soma::Op> timed_ops(const std::string& filter) {
  std::vector<soma::Op> list;
  for (soma::Op& op : soma::example_ops()) {
    if (matches_op(op.id, filter)) list.push_back(std::move(op));
  }
  return list;
}

/// Times all ops on one contestant; what it said before it died counts.
void time_contestant(Certificate& certificate, const std::string& contestant, WorkBar& bar,
                     std::size_t done) {
  const CertifyRequest& request = certificate.request;
  const bool is_subject = contestant == certificate.plugin;
  const bool bf16 = request.options.numerics == soma::Numerics::bf16;  // which others may lack
  const soma::Numerics numerics =
      bf16 && !is_subject ? soma::Numerics::fast : request.options.numerics;
  WorkerProcess process({"certify", "--speed", is_subject ? request.file.string() : "", contestant,
                         name_of(numerics), std::to_string(usable_cpus()), request.op});
  double waited = 0;
  while (true) {
    pollfd one{process.output(), POLLIN, 0};
    if (poll(&one, 1, kPollMilliseconds) <= 0) {
      waited += kPollMilliseconds / 1000.0;
      if (waited > request.timeout_seconds) return;
      continue;
    }
    waited = 0;
    if (!process.read_some()) return;
    while (const auto line = process.next_line()) {
      const std::size_t blank = line->find(' ');
      if (blank == std::string::npos) continue;
      const std::string op = line->substr(0, blank);
      const auto row = std::ranges::find(certificate.speed, op, &SpeedRow::op);
      if (row == certificate.speed.end()) continue;
      row->milliseconds[contestant] = std::strtod(line->c_str() + blank, nullptr);
      bar.show(++done, "C7 speed of " + contestant);
    }
  }
}

}  // namespace

void do_certify_speed(Certificate& certificate) {
  if (certificate.kind != "backend") return;
  std::vector<std::string> contestants{certificate.plugin};
  for (const soma::PluginRecord& record : soma::list_plugins()) {
    if (record.status != soma::PluginStatus::ready) continue;
    for (const soma::Brought& brought : record.brings) {
      if (brought.kind == "backend" && brought.name != certificate.plugin) {
        contestants.push_back(brought.name);
      }
    }
  }
  for (const soma::Op& op : timed_ops(certificate.request.op)) {
    if (std::ranges::find(certificate.unclaimed, op.id) == certificate.unclaimed.end()) {
      certificate.speed.push_back({op.id, {}});
    }
  }
  WorkBar bar(contestants.size() * certificate.speed.size(), "timings");
  for (std::size_t i = 0; i < contestants.size(); ++i) {
    time_contestant(certificate, contestants[i], bar, i * certificate.speed.size());
  }
  for (const SpeedRow& row : certificate.speed) {
    Verdict verdict;
    verdict.checks = 1;
    if (!row.milliseconds.contains(certificate.plugin)) verdict.refused = "it did not run";
    certificate.results.push_back({{Level::speed, row.op, row.op}, std::move(verdict)});
  }
}

int run_certify_speed_child(std::span<const std::string> args) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (!args[0].empty()) soma::load_plugin(args[0]);
  const soma::Backend backend = soma::backend(args[1], {.numerics = numerics_from_name(args[2])});
  for (const soma::Op& op : timed_ops(args[4])) {
    if (!backend.supports(op)) continue;
    try {
      const auto measured =
          soma::bench::time_ops({op.id, {op}}, backend, std::stoi(args[3]), kSecondsPerOp);
      std::printf("%s %.6g\n", op.id.c_str(), measured.timing.median);
      std::fflush(stdout);
    } catch (const soma::Error&) {  // it has no time then
    }
  }
  return 0;
}
