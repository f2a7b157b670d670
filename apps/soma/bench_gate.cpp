#include "bench_gate.hpp"

#include <cstdio>

namespace {

std::string found_text(const Spread& r) {
  char text[80];
  std::snprintf(text, sizeof text, "%.2f (%.2f..%.2f)", r.median, r.least, r.most);
  return text;
}

bool runs_primitive(const Contestant& contestant) {
  return contestant.implementation.find("canonical") != 0;
}

}  // namespace

std::string Target::str() const {
  char text[32];
  std::snprintf(text, sizeof text, " at most %g x ", limit);
  return contestant + text + against;
}

const std::vector<Target>& targets() {
  static const std::vector<Target> list = {
      {"tbb", "onednn", 2.0, false},
      {"onednn", "raw", 1.1, true},
      {"onednn", "pytorch", 1.0, false},
  };
  return list;
}

std::vector<Miss> missed_targets(const Contest& contest) {
  std::vector<Miss> missed;
  if (contest.op_case == nullptr || !contest.op_case->target) return missed;
  for (const Target& target : targets()) {
    const Contestant* runner = contest.find(target.contestant);
    const Contestant* against = contest.find(target.against);
    if (runner == nullptr || against == nullptr) continue;
    if (!runner->ran()) {
      missed.push_back({contest.name, target.str(), "did not run: " + runner->reason});
      continue;
    }
    if (target.primitives_only && !runs_primitive(*runner)) continue;
    const auto found = ratio(runner, against);
    if (found && found->median > target.limit) {
      missed.push_back({contest.name, target.str(), found_text(*found)});
    }
  }
  return missed;
}

std::vector<Miss> unequal_bits(const Contest& contest) {
  std::vector<Miss> unequal;
  const Contestant* first = nullptr;
  for (const Contestant& contestant : contest.contestants) {
    if (contestant.fingerprint.empty()) continue;
    if (first == nullptr) first = &contestant;
    if (contestant.fingerprint != first->fingerprint) {
      unequal.push_back({contest.name, contestant.name + " has the bits of " + first->name,
                         contestant.fingerprint + ", not " + first->fingerprint});
    }
  }
  return unequal;
}
