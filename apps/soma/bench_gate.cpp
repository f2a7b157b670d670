#include "bench_gate.hpp"

#include <algorithm>
#include <cstdio>

#include "workload.hpp"

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
  static const std::vector<std::string> names = {"mlp",       "lenet5",   "resnet20",
                                                 "char-lstm", "char-gpt", soma::bench::kTinyModel};
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
  if (model == soma::bench::kTinyModel) return {{"best", "peers", 1.0}};
  const bool close = contest.batch > 1 && (model == "resnet20" || model == "char-lstm");
  return {{"best", "peers", close ? 1.05 : 1.0}};
}

const Contestant* fastest(const Contest& contest, bool peers) {
  const Contestant* best = nullptr;
  for (const Contestant& c : contest.contestants) {
    // The sum of primitives is no program that runs the model.
    if (is_peer(c.name) != peers || c.name == "raw" || !c.ran()) continue;
    if (best == nullptr || spread(c.medians()).median < spread(best->medians()).median) best = &c;
  }
  return best;
}

namespace {

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
      missed.push_back({contest.name, target.str(), "did not run: " + runner->reason, false});
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

std::optional<Spread> speedup(const Contest& few, const Contest& many,
                              const std::string& contestant) {
  return ratio(few.find(contestant), many.find(contestant));
}

std::vector<Miss> missed_scaling(std::span<const Contest> contests) {
  constexpr double kLeast = 1.8;
  constexpr std::string_view kModels[] = {"lenet5", "resnet20", "char-gpt"};
  std::vector<Miss> missed;
  const auto of = [&](int threads) {
    return std::ranges::find(contests, threads, &Contest::threads);
  };
  const auto one = of(1), two = of(2);
  if (one == contests.end() || two == contests.end() || one->mode != Mode::train ||
      one->op_case != nullptr || std::ranges::find(kModels, one->name) == std::end(kModels)) {
    return missed;
  }
  for (const char* contestant : {"tbb", "onednn"}) {
    const auto found = speedup(*one, *two, contestant);
    if (!found || found->median >= kLeast) continue;
    missed.push_back({one->name + ", train, batch " + std::to_string(one->batch),
                      contestant + std::string(" on 2 threads at least 1.8 x one"),
                      found_text(*found)});
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
