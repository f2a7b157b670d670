#include "bench_gate.hpp"

#include <algorithm>
#include <cstdio>

using soma::bench::Mode;

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
  std::snprintf(text, sizeof text, " at most %.3g x ", limit);
  return contestant + text + against;
}

const std::vector<Target>& op_targets() {
  static const std::vector<Target> list = {
      {"tbb", "onednn", 2.0, false},
      {"onednn", "raw", 1.1, true},
      {"onednn", "pytorch", 1.0, false},
  };
  return list;
}

const std::vector<std::string>& suite_models() {
  static const std::vector<std::string> names = {"mlp", "lenet5", "resnet20", "char-lstm",
                                                 "char-gpt"};
  return names;
}

std::vector<Target> targets_of(const Contest& contest) {
  if (contest.op_case != nullptr) {
    return contest.op_case->target ? op_targets() : std::vector<Target>();
  }
  const std::string& model = contest.name;
  if (std::ranges::find(suite_models(), model) == suite_models().end()) return {};
  if (contest.mode == Mode::train) {
    // The sum of primitives has no optimizer in it, which is much of a small net's step.
    return {{"onednn", "raw", model == "mlp" ? 1.25 : 1.15},
            {"tbb", "onednn", 1.3},
            {"onednn-exact", "onednn", 1.5},
            {"onednn", "pytorch-tuned", 0.8},
            {"onednn", "pytorch", model == "resnet20" ? 1 / 1.5 : 1.0 / 3}};
  }
  const bool close = contest.batch > 1 && (model == "resnet20" || model == "char-lstm");
  return {{"best", "peers", close ? 1.05 : 1.0}};
}

namespace {

/// The fastest of a contest that is a peer, or that is none.
const Contestant* fastest(const Contest& contest, bool peers) {
  const Contestant* best = nullptr;
  for (const Contestant& c : contest.contestants) {
    // The sum of primitives is no program that runs the model.
    if (is_peer(c.name) != peers || c.name == "raw" || !c.ran()) continue;
    if (best == nullptr || spread(c.medians()).median < spread(best->medians()).median) best = &c;
  }
  return best;
}

const Contestant* named(const Contest& contest, const std::string& name) {
  if (name == "best") return fastest(contest, false);
  if (name == "peers") return fastest(contest, true);
  return contest.find(name);
}

}  // namespace

std::vector<Miss> missed_targets(const Contest& contest) {
  std::vector<Miss> missed;
  for (const Target& target : targets_of(contest)) {
    const Contestant* runner = named(contest, target.contestant);
    const Contestant* against = named(contest, target.against);
    if (runner == nullptr || against == nullptr) continue;
    if (!runner->ran()) {
      missed.push_back({contest.name, target.str(), "did not run: " + runner->reason});
      continue;
    }
    if (target.primitives_only && !runs_primitive(*runner)) continue;
    const auto found = ratio(runner, against);
    if (found && found->median > target.limit) {
      std::string name = contest.name;
      if (contest.op_case == nullptr) {
        name +=
            std::string(", ") + name_of(contest.mode) + ", batch " + std::to_string(contest.batch);
      }
      missed.push_back({name, target.str(), found_text(*found)});
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
