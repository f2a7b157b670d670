// A backend: every case of the suite, sorted into levels; what is asked of it as a whole; and small
// networks.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "certify/kinds.hpp"
#include "soma/conformance/checks.hpp"
#include "soma/conformance/training.hpp"
#include "soma/conformance/whole_backend.hpp"
#include "soma/op_catalogue.hpp"

namespace soma::conformance {
namespace {

constexpr int kSteps = 12, kFullSteps = 200;
constexpr std::uint64_t kFullSeeds = 5;
constexpr const char* kWhole = "backend";
constexpr const char* kTraining = "training";

Level level_of(Check check, const Op& op) {
  switch (check) {
    case Check::claims:
    case Check::guards:
    case Check::pages:
    case Check::alignment:
    case Check::in_place:
    case Check::errors:
    case Check::memory:
      return Level::contract;
    case Check::threads:
    case Check::repeat:
    case Check::rows:
    case Check::contexts:
      return Level::determinism;
    case Check::gradient:
    case Check::across:
    case Check::steps:
      return Level::backward;
    case Check::bounds:
    case Check::integers:
    case Check::nonfinite:
    case Check::huge:
    case Check::accumulate:
      break;
  }
  return op.direction() == "fwd" ? Level::forward : Level::backward;
}

/// The checks of a case that belong to `level`, those first that explain the others.
std::vector<Check> checks_at(Level level, const Case& c, bool of_oracle) {
  std::vector<Check> list;
  for (const Check check : checks_for(c, of_oracle)) {
    if (level_of(check, c.op) == level) list.push_back(check);
  }
  const auto first = [](Check check) {
    return check == Check::claims || check == Check::guards || check == Check::pages;
  };
  std::ranges::stable_partition(list, first);
  return list;
}

class BackendExamination final : public Examination {
 public:
  BackendExamination(const Subject& subject, const CertifyOptions& options)
      : options_(options),
        backend_(soma::backend(subject.name, {.numerics = options.numerics})),
        reference_(soma::backend("reference", {.numerics = Numerics::exact})) {
    const std::vector<std::string> ids = backend_.op_ids();
    declared_.insert(ids.begin(), ids.end());
    std::set<std::string> seen;
    for (const Case& c : cases()) {
      by_id_.emplace(c.id(), &c);
      // One case of each op is executed often enough to see what it keeps.
      if (c.op.inputs[0].shape.elements() > 0 && seen.insert(c.op.id).second) {
        watched_.insert(c.id());
      }
    }
  }

  std::vector<Item> items() const override {
    std::vector<Item> list;
    for (const Whole& whole : kWholeQuestions) list.push_back({whole.level, kWhole, whole.name});
    for (const Level level :
         {Level::contract, Level::forward, Level::backward, Level::determinism}) {
      for (const Case& c : cases()) {
        if (!declared_.contains(c.op.id) || checks_at(level, c, of_oracle()).empty()) continue;
        list.push_back({level, c.op.id, c.id()});
      }
    }
    for (const Net& net : training_nets()) list.push_back({Level::training, kTraining, net.name});
    return list;
  }

  std::vector<std::string> unclaimed() const override {
    std::vector<std::string> list;
    for (const Op& op : example_ops()) {
      if (!declared_.contains(op.id)) list.push_back(op.id);
    }
    return list;
  }

  Verdict examine(const Item& item, const Notice& notice) override {
    if (item.level == Level::training) return examine_net(item.name, notice);
    if (item.op == kWhole) return examine_whole(item.name, notice);
    return examine_case(item, notice);
  }

 private:
  struct Whole {
    Level level;
    const char* name;
    std::string (BackendExamination::*ask)() const;
  };
  static const Whole kWholeQuestions[7];

  std::string opening() const { return fault_in_opening(backend_.name(), options_.numerics); }
  /// The rest of these two is the end of the process, with threads that have worked: a context and
  /// kernels that nobody closes,
  std::string left_open() const {
    static auto& kept = *new std::vector<Kernel>;  // outlives everything
    return prepare_and_run(kept);
  }
  /// or that are closed when the plugin's runtime may have ended.
  std::string closed_at_exit() const {
    static std::vector<Kernel> kept;
    return prepare_and_run(kept);
  }
  std::string prepare_and_run(std::vector<Kernel>& kept) const {
    for (const Case& c : cases()) {
      if (!watched_.contains(c.id()) || !backend_.supports(c.op)) continue;
      kept.push_back(backend_.prepare(c.op));
      run(kept.back(), make_operands(c, Fill::random, options_.seed), {.threads = 4});
    }
    return "";
  }
  std::string declared() const { return fault_in_declared_ops(backend_); }
  std::string refusal() const { return fault_in_refusal(backend_); }
  std::string coverage() const { return fault_in_loop_coverage(backend_); }
  std::string thread_count() const { return fault_in_thread_count(backend_); }

  bool of_oracle() const { return backend_.name() == reference_.name(); }

  /// The other backends that are ready; only C4 has business with them.
  std::vector<Backend> partners(Level level) const {
    std::vector<Backend> list;
    if (level != Level::backward) return list;
    for (const std::string& name : backend_names()) {
      if (name == reference_.name() || name == backend_.name()) continue;
      for (const Numerics numerics : {Numerics::exact, Numerics::fast}) {
        try {
          list.push_back(soma::backend(name, {.numerics = numerics}));
        } catch (const Error&) {  // it lacks this class of numerics, or does not open at all
        }
      }
    }
    return list;
  }

  Examiner& examiner(std::uint64_t seed, Level level) {
    std::unique_ptr<Examiner>& made = examiners_[{seed, level}];
    if (made == nullptr) {
      std::vector<int> threads = options_.threads;
      std::erase(threads, 1);  // what the others are compared with
      made = std::make_unique<Examiner>(backend_, reference_,
                                        Examiner::Options{seed, partners(level), threads});
    }
    return *made;
  }

  Verdict examine_whole(const std::string& name, const Notice& notice) {
    Verdict verdict;
    for (const Whole& whole : kWholeQuestions) {
      if (name != whole.name) continue;
      notice(whole.name);
      ++verdict.checks;
      try {
        const std::string fault = (this->*whole.ask)();
        if (!fault.empty()) verdict.fail(whole.name, fault);
      } catch (const std::exception& error) {
        verdict.fail(whole.name, std::string("threw: ") + error.what());
      }
    }
    return verdict;
  }

  Verdict examine_case(const Item& item, const Notice& notice) {
    Verdict verdict;
    const Case& c = *by_id_.at(item.name);
    notice("claims");
    verdict.refused = examiner(options_.seed, item.level).refusal(c);
    if (!verdict.refused.empty()) {
      if (item.level == Level::contract) check_refusal(c, verdict);
      return verdict;
    }
    const std::uint64_t seeds = options_.full ? kFullSeeds : 1;
    for (std::uint64_t seed = options_.seed; seed < options_.seed + seeds; ++seed) {
      for (const Check check : checks_at(item.level, c, of_oracle())) {
        examine(c, check, {seed, item.level}, notice, verdict);
      }
      if (item.level == Level::contract && watched_.contains(item.name)) {
        examine(c, Check::memory, {seed, item.level}, notice, verdict);
      }
    }
    return verdict;
  }

  using SeedAndLevel = std::pair<std::uint64_t, Level>;

  void examine(const Case& c, Check check, SeedAndLevel at, const Notice& notice,
               Verdict& verdict) {
    notice(name_of(check));
    const Result result = examiner(at.first, at.second).examine(c, check);
    ++verdict.checks;
    verdict.worst_share = std::max(verdict.worst_share, result.share_of_bound);
    if (!result.passed) verdict.fail(name_of(check), result.message);
  }

  /// Supports says no: then prepare has to say so too.
  void check_refusal(const Case& c, Verdict& verdict) const {
    ++verdict.checks;
    try {
      backend_.prepare(c.op);
      verdict.fail("claims", "prepares " + c.op.str() +
                                 ", which it says it does not support: " + verdict.refused);
    } catch (const UnsupportedError&) {
    } catch (const std::exception& error) {
      verdict.fail("claims", "expected prepare to refuse " + c.op.str() +
                                 " as unsupported, found: " + error.what());
    }
  }

  Verdict examine_net(const std::string& name, const Notice& notice) {
    Verdict verdict;
    const Net& net = *std::ranges::find(training_nets(), name, &Net::name);
    const int steps = options_.full ? kFullSteps : kSteps;
    const auto run = [&](const Backend& on, int threads) {
      return train(net.make(), net.optimizer, net.batch, on, threads, steps, options_.seed);
    };
    notice("reference");
    const Trained expected = run(reference_, 1);
    for (const int threads : {1, 2, 3}) {
      const std::string where = std::to_string(steps) + " steps of the net " + name + " on " +
                                std::to_string(threads) +
                                (threads == 1 ? " thread: " : " threads: ");
      notice("training");
      try {
        const Trained got = run(backend_, threads);
        ++verdict.checks;
        judge(got, expected, where, verdict);
      } catch (const UnsupportedError& error) {
        verdict.refused = error.what();
        return verdict;
      } catch (const std::exception& error) {
        ++verdict.checks;
        verdict.fail("training", where + "threw: " + error.what());
      }
    }
    return verdict;
  }

  /// Exact numerics: the reference's weights, to the bit. Otherwise the curve of the loss stays by
  /// that of the reference.
  void judge(const Trained& got, const Trained& expected, const std::string& where,
             Verdict& verdict) const {
    for (std::size_t step = 0; step < expected.losses.size(); ++step) {
      const double limit = loss_limit(step, expected.losses[step]);
      const double error = std::abs(got.losses[step] - expected.losses[step]);
      verdict.worst_share = std::max(verdict.worst_share, error / limit);
      if (!(error <= limit)) {
        verdict.fail("training", where + "loss at step " + std::to_string(step) + ": expected " +
                                     std::to_string(expected.losses[step]) + " within " +
                                     std::to_string(limit) + ", found " +
                                     std::to_string(got.losses[step]));
        return;
      }
    }
    if (options_.numerics == Numerics::exact && got.weights_sha256 != expected.weights_sha256) {
      verdict.fail("training", where + "expected the weights of the reference, SHA-256 " +
                                   expected.weights_sha256 + ", found " + got.weights_sha256);
    }
  }

  /// Roundings differ by some u per step, and learning may double a difference within a few steps.
  /// Under bf16 numerics they differ by 2^-8, of products whose errors mostly cancel.
  double loss_limit(std::size_t step, double loss) const {
    const double first = options_.numerics == Numerics::bf16 ? 5e-3 : 1e-4;
    return first * std::sqrt(static_cast<double>(step) + 1) * (1 + std::abs(loss));
  }

  CertifyOptions options_;
  Backend backend_, reference_;
  std::set<std::string> declared_;
  std::map<std::string, const Case*> by_id_;
  std::set<std::string> watched_;
  std::map<SeedAndLevel, std::unique_ptr<Examiner>> examiners_;
};

const BackendExamination::Whole BackendExamination::kWholeQuestions[7] = {
    {Level::lifecycle, "opening", &BackendExamination::opening},
    {Level::lifecycle, "left_open", &BackendExamination::left_open},
    {Level::lifecycle, "closed_at_exit", &BackendExamination::closed_at_exit},
    {Level::contract, "declared_ops", &BackendExamination::declared},
    {Level::contract, "refusal", &BackendExamination::refusal},
    {Level::contract, "loop_coverage", &BackendExamination::coverage},
    {Level::contract, "thread_count", &BackendExamination::thread_count}};

}  // namespace

std::unique_ptr<Examination> examine_backend(const Subject& subject,
                                             const CertifyOptions& options) {
  return std::make_unique<BackendExamination>(subject, options);
}

}  // namespace soma::conformance
