#include "soma/conformance/checks.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <ostream>
#include <stdexcept>

#include "family.hpp"
#include "helping_thread.hpp"
#include "process_state.hpp"
#include "slices.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/conformance/gradient.hpp"

namespace soma::conformance {
namespace {

/// What a check found: a failure text, or nothing; and the worst share of a bound.
struct Finding {
  std::string fault;
  double share = 0;

  void note(const std::string& text) {
    if (fault.empty()) fault = text;
  }
};

/// {output, input} pairs that may share a buffer, by the op's contract. Each list is tried alone.
std::vector<std::vector<std::pair<int, int>>> in_place_choices(const Op& op) {
  if (const FamilyRules* rules = rules_of(op)) {
    return rules->in_place == nullptr ? std::vector<FamilyRules::InPlace>() : rules->in_place(op);
  }
  const std::string_view id = op.id, direction = op.direction();
  const std::string_view family = op.family();
  if (id == "add/1.fwd") return {{{0, 0}}, {{0, 1}}};
  if (id == "adam/1.step") return {{{0, 0}, {1, 3}, {2, 4}}};
  if (id == "sgd/1.step") {
    if (op.outputs.size() == 1) return {{{0, 0}}};
    return {{{0, 0}, {1, 3}}};
  }
  if (family == "relu/1" || family == "sigmoid/1" || family == "tanh/1") {
    return direction == "fwd" ? std::vector<std::vector<std::pair<int, int>>>{{{0, 0}}}
                              : std::vector<std::vector<std::pair<int, int>>>{{{0, 1}}};
  }
  return {};
}

/// Ops whose results on whole numbers are exact in float32.
bool exact_on_integers(const Op& op) {
  if (const FamilyRules* rules = rules_of(op)) {
    return rules->exact_on_integers != nullptr && rules->exact_on_integers(op);
  }
  const std::string_view family = op.family();
  return is_contraction(op) || family == "relu/1" || family == "add/1" || family == "max_pool2d/1";
}

bool is_optimizer(const Op& op) { return op.direction() == "step"; }

/// Saturated results may well be zero, and the only class of a softmax has no gradient.
bool zeros_are_right(const Case& c) {
  const FamilyRules* rules = rules_of(c.op);
  if (rules != nullptr && rules->mostly_zero != nullptr && rules->mostly_zero(c)) return true;
  return c.spread == Spread::wide || (c.op.id == "softmax/1.bwd" && c.op.in(0)[1] == 1);
}

/// Operands that the op must refuse.
std::vector<BadOperand> bad_operands(const Op& op) {
  if (const FamilyRules* rules = rules_of(op)) {
    return rules->refused == nullptr ? std::vector<BadOperand>() : rules->refused(op);
  }
  return {};
}

/// Share of zeros among the elements that are not structurally zero; a comparison of zeros with
/// zeros proves nothing.
std::string too_many_zeros(const std::vector<Expected>& expected) {
  std::size_t all = 0, zeros = 0;
  for (const Expected& e : expected) {
    if (e.integral) continue;
    for (std::size_t i = 0; i < e.value.size(); ++i) {
      if (e.magnitude[i] == 0) continue;
      ++all;
      zeros += static_cast<float>(e.value[i]) == 0 ? 1 : 0;
    }
  }
  if (2 * zeros <= all) return "";
  return "the case proves too little: " + std::to_string(zeros) + " of " + std::to_string(all) +
         " expected results are 0";
}

}  // namespace

const char* name_of(Check check) noexcept {
  constexpr const char* kNames[] = {"bounds", "integers",  "nonfinite", "huge",   "threads",
                                    "repeat", "alignment", "in_place",  "rows",   "accumulate",
                                    "steps",  "errors",    "gradient",  "across", "claims",
                                    "guards", "pages",     "contexts",  "memory"};
  return kNames[static_cast<int>(check)];
}

void PrintTo(const CaseCheck& value, std::ostream* out) {
  *out << name_of(value.check) << " of ";
  PrintTo(*value.c, out);
}

std::vector<Check> checks_for(const Case& c, bool of_oracle) {
  std::vector<Check> list{Check::bounds};
  if (exact_on_integers(c.op)) list.push_back(Check::integers);
  list.insert(list.end(),
              {Check::nonfinite, Check::huge, Check::threads, Check::repeat, Check::alignment});
  if (!in_place_choices(c.op).empty()) list.push_back(Check::in_place);
  const ItemAxes axes = item_axes(c.op);
  if (axes.items(c.op) > 1) list.push_back(Check::rows);
  if (c.op.attributes.flag("accumulate")) list.push_back(Check::accumulate);
  if (is_optimizer(c.op)) list.push_back(Check::steps);
  if (!bad_operands(c.op).empty()) list.push_back(Check::errors);
  if (const auto d = differentiation_of(c.op)) {
    if (of_oracle && c.spread != Spread::wide) list.push_back(Check::gradient);
    if (saves_state(*d)) list.push_back(Check::across);
  }
  list.insert(list.end(), {Check::claims, Check::guards, Check::pages, Check::contexts});
  return list;
}

struct Examiner::State {
  /// One fill of the current case, with everything that is computed from it once.
  struct Filled {
    Operands operands;
    Run first;
    bool judged = false;
    std::vector<Expected> expected;
    std::vector<Array> reference;  // float32; only for exact kernels
  };

  Backend examined;
  Oracle oracle;
  Options options;
  const Case* current = nullptr;
  ProcessState entered;  // before the backend met the current case
  std::optional<Kernel> kernel;
  std::map<Fill, Filled> filled;
  std::optional<Backend> second;  // context of the same backend, for Check::contexts
  std::optional<HelpingThread> helper;

  bool exact() const { return kernel->info().exactness == Exactness::exact; }

  void enter(const Case& c) {
    if (current == &c) return;
    current = nullptr;
    kernel.reset();
    filled.clear();
    entered = ProcessState::read();
    const std::vector<std::string> ids = examined.op_ids();
    if (std::ranges::find(ids, c.op.id) == ids.end()) {
      throw UnsupportedError("declares no support for " + c.op.id);
    }
    std::string why;
    const bool claimed = examined.supports(c.op, &why);
    kernel = examined.prepare(c.op);
    if (!claimed) throw StateError("says that it does not support what it prepares: " + why);
    current = &c;
  }

  Filled& at(Fill fill) {
    const auto found = filled.find(fill);
    if (found != filled.end()) return found->second;
    Filled f;
    f.operands = make_operands(*current, fill, options.seed);
    f.first = run(*kernel, f.operands);
    return filled.emplace(fill, std::move(f)).first->second;
  }

  /// The same with what the oracle says, which not every check needs.
  Filled& judged_at(Fill fill) {
    Filled& f = at(fill);
    if (!f.judged) {
      f.expected = expect(oracle, current->op, f.operands, fill, examined.numerics());
      if (exact()) f.reference = oracle.reference(current->op, f.operands);
      f.judged = true;
    }
    return f;
  }

  /// A finished run against the limit and, for exact kernels, the reference's bits.
  void judge(const Run& got, const Filled& f, Finding& finding, const std::string& where) const {
    if (!got.violations.empty()) finding.note(where + got.violations.front());
    const Deviation d = deviation(got.outputs, f.expected);
    finding.share = std::max(finding.share, d.worst_share);
    if (!d.message.empty()) finding.note(where + d.message);
    if (!exact()) return;
    if (const auto difference = first_difference(got.outputs, f.reference)) {
      finding.note(where +
                   "claims the class exact, but differs from the reference: " + *difference);
    }
  }

  /// Exact kernels: the bits of the plain run. Bounded ones: those, which Check::bounds judges, or
  /// the limit again.
  void judge_variant(const RunOptions& how, Finding& finding, const std::string& where) {
    const Filled& f = exact() ? at(Fill::random) : judged_at(Fill::random);
    const Run got = run(*kernel, f.operands, how);
    if (!got.violations.empty()) finding.note(where + got.violations.front());
    const auto difference = first_difference(got.outputs, f.first.outputs);
    if (!difference) return;
    if (exact()) {
      finding.note(where + "other bits than a plain run: " + *difference);
    } else {
      judge(got, f, finding, where);
    }
  }

  Finding check_fill(Fill fill) {
    Finding finding;
    const Filled& f = judged_at(fill);
    if (fill == Fill::random) {
      if (examined.numerics() == Numerics::exact && !exact()) {
        finding.note("claims only the class bounded under exact numerics");
      }
      if (!zeros_are_right(*current)) finding.note(too_many_zeros(f.expected));
    }
    judge(f.first, f, finding, "");
    return finding;
  }

  Finding check_threads() {
    Finding finding;
    for (const int threads : options.threads) {
      judge_variant({.threads = threads}, finding, std::to_string(threads) + " threads: ");
    }
    return finding;
  }

  Finding check_repeat() {
    Finding finding;
    const Filled& f = at(Fill::random);
    const Run again = run(*kernel, f.operands, {.scratch = 0});
    if (const auto difference = first_difference(again.outputs, f.first.outputs)) {
      finding.note("a second run gives other bits: " + *difference);
    }
    // The same with threads: run to run, whatever the schedule.
    const Run one = run(*kernel, f.operands, {.threads = 2, .scratch = 0});
    const Run two = run(*kernel, f.operands, {.threads = 2, .scratch = 0x3F});
    if (const auto difference = first_difference(two.outputs, one.outputs)) {
      finding.note("a second run on 2 threads gives other bits: " + *difference);
    }
    return finding;
  }

  /// The first difference in bits from a plain run on as many threads. What differs from one thread
  /// to two, or from run to run, has checks of its own and counts as no difference here.
  std::optional<std::string> difference_from_plain(const Run& got, int threads) {
    const Filled& f = at(Fill::random);
    if (threads == 1) return first_difference(got.outputs, f.first.outputs);
    const auto plain = [&] { return run(*kernel, f.operands, {.threads = threads}).outputs; };
    const std::vector<Array> expected = plain();
    const auto difference = first_difference(got.outputs, expected);
    if (!difference) return std::nullopt;
    for (int again = 0; again < 2; ++again) {
      if (first_difference(plain(), expected)) return std::nullopt;
    }
    return difference;
  }

  Finding check_alignment() {
    Finding finding;
    const std::string where = "aligned to one element: ";
    for (const int threads : {1, 2}) {
      const Filled& f = exact() ? at(Fill::random) : judged_at(Fill::random);
      const Run got = run(*kernel, f.operands, {.threads = threads, .offset = true});
      if (!got.violations.empty()) finding.note(where + got.violations.front());
      const auto difference = difference_from_plain(got, threads);
      if (!difference) continue;
      if (exact()) {
        finding.note(where + "other bits than a plain run: " + *difference);
      } else {
        judge(got, f, finding, where);
      }
    }
    return finding;
  }

  Finding check_in_place() {
    Finding finding;
    const Filled& f = at(Fill::random);
    for (const auto& choice : in_place_choices(current->op)) {
      const std::string where = "output 0 in input " + std::to_string(choice[0].second) + ": ";
      for (const int threads : {1, 2}) {
        const Run got = run(*kernel, f.operands, {.threads = threads, .in_place = choice});
        if (!got.violations.empty()) finding.note(where + got.violations.front());
        if (const auto difference = difference_from_plain(got, threads)) {
          finding.note(where + *difference);
        }
      }
    }
    return finding;
  }

  Finding check_rows() {
    Finding finding;
    const ItemAxes axes = item_axes(current->op);
    const Kernel alone = examined.prepare(item_op(current->op, axes));
    const bool same = exact() && alone.info().exactness == Exactness::exact;
    const Filled& f = same ? at(Fill::random) : judged_at(Fill::random);
    const std::int64_t items = axes.items(current->op);
    for (const std::int64_t i : {std::int64_t{0}, items / 2, items - 1}) {
      const Run got = run(alone, item_operands(f.operands, axes, i));
      const std::string where = "item " + std::to_string(i) + " alone: ";
      if (!got.violations.empty()) finding.note(where + got.violations.front());
      for (const auto& [output, axis] : axes.outputs) {
        const auto o = static_cast<std::size_t>(output);
        if (same || current->op.outputs[o].dtype == DType::i32) {
          const auto difference =
              first_difference({got.outputs[o]}, {slice(f.first.outputs[o], axis, i)});
          if (difference) finding.note(where + "differs from the batch: " + *difference);
        } else {
          const Expected item = item_expected(f.expected[o], current->op.outputs[o], axis, i);
          const Deviation d = deviation({got.outputs[o]}, {item});
          finding.share = std::max(finding.share, d.worst_share);
          if (!d.message.empty()) finding.note(where + d.message);
        }
      }
    }
    return finding;
  }

  static Expected item_expected(const Expected& all, const TensorInfo& info, int axis,
                                std::int64_t i) {
    Expected item;
    const auto cut = [&](const std::vector<double>& values) {
      Array array({DType::f64, info.shape});
      std::ranges::copy(values, array.as<double>().begin());
      const Array part = slice(array, axis, i);
      return std::vector<double>(part.as<double>().begin(), part.as<double>().end());
    };
    item.integral = all.integral;
    item.signed_zeros = all.signed_zeros;
    item.value = cut(all.value);
    item.limit = cut(all.limit);
    item.magnitude = cut(all.magnitude);
    return item;
  }

  Finding check_accumulate() {
    Finding finding;
    const Filled& f = judged_at(Fill::random);
    Op plain = current->op;
    plain.attributes = {};
    for (const auto& [key, value] : current->op.attributes.entries()) {
      if (key != "accumulate") plain.attributes.set(key, value);
    }
    const Kernel overwriting = examined.prepare(plain);
    std::vector<Array> sum = run(overwriting, f.operands).outputs;
    for (std::size_t o = 0; o < sum.size(); ++o) {
      const auto old = f.operands.old_outputs[o].as<float>();
      const auto total = sum[o].as<float>();
      const auto got = f.first.outputs[o].as<float>();
      for (std::size_t i = 0; i < total.size(); ++i) {
        total[i] = old[i] + total[i];
        const double error = std::abs(static_cast<double>(got[i]) - static_cast<double>(total[i]));
        if (!exact() && !(error <= 2 * f.expected[o].limit[i])) {
          finding.note("output " + std::to_string(o) + " element " + std::to_string(i) +
                       " is not the old value plus the sum, once");
        }
      }
    }
    if (exact() && overwriting.info().exactness == Exactness::exact) {
      if (const auto difference = first_difference(f.first.outputs, sum)) {
        finding.note("not the old value plus the sum, once: " + *difference);
      }
    }
    return finding;
  }

  Finding check_steps() {
    Finding finding;
    Operands state = at(Fill::random).operands;
    for (int step = 0; step < 20; ++step) {
      // A gradient that changes with every step.
      const Case renamed{current->family, current->name + ".step" + std::to_string(step),
                         current->op, current->spread};
      state.inputs[1] = make_operands(renamed, Fill::random, options.seed).inputs[1];
      Filled f;
      f.expected = expect(oracle, current->op, state, Fill::random, examined.numerics());
      if (exact()) f.reference = oracle.reference(current->op, state);
      f.first = run(*kernel, state,
                    {.threads = 1 + step % 4, .in_place = in_place_choices(current->op).front()});
      judge(f.first, f, finding, "step " + std::to_string(step) + ": ");
      state.inputs[0] = f.first.outputs[0];
      for (std::size_t o = 1; o < f.first.outputs.size(); ++o) {
        state.inputs[2 + o] = f.first.outputs[o];
      }
    }
    return finding;
  }

  Finding check_errors() {
    Finding finding;
    for (const BadOperand& bad : bad_operands(current->op)) {
      Operands operands = at(Fill::random).operands;
      operands.inputs[static_cast<std::size_t>(bad.input)].as<std::int32_t>()[bad.element] =
          bad.value;
      const std::string fault = refusal_fault(*kernel, operands);
      if (!fault.empty()) {
        finding.note("input " + std::to_string(bad.input) + " element " +
                     std::to_string(bad.element) + " = " + std::to_string(bad.value) + ": " +
                     fault);
      }
    }
    return finding;
  }

  Finding check_claims() {
    Finding finding;
    if (const auto d = differentiation_of(current->op)) {
      for (const auto& backward : d->backward) {
        std::string why;
        if (!examined.supports(backward.op, &why)) {
          finding.note("takes the forward op for training, but not " + backward.op.str() + ": " +
                       why);
        }
      }
    }
    const Kernel again = examined.prepare(current->op);
    if (again.info().exactness != kernel->info().exactness) {
      finding.note("claims another class when it prepares the same op again");
    }
    if (examined.numerics() == Numerics::exact && !exact()) {
      finding.note("claims only the class bounded under exact numerics");
    }
    Op unknown = current->op;
    unknown.id = std::string(current->op.family()) + ".sideways";
    if (examined.supports(unknown)) finding.note("says that it supports " + unknown.id);
    return finding;
  }

  Finding check_guards() {
    Finding finding;
    const Operands& operands = at(Fill::random).operands;
    // What is set to the same value every time shows only here.
    const std::string since = entered.changed_in(ProcessState::read());
    if (!since.empty()) finding.note("preparing and a first run: " + since);
    for (const int threads : {1, 3}) {
      const ProcessState before = ProcessState::read();
      const Run got = run(*kernel, operands, {.threads = threads});
      const std::string changed = before.changed_in(ProcessState::read());
      const std::string where =
          std::to_string(threads) + (threads == 1 ? " thread: " : " threads: ");
      if (!got.violations.empty()) finding.note(where + got.violations.front());
      if (!changed.empty()) finding.note(where + changed);
    }
    return finding;
  }

  Finding check_pages() {
    Finding finding;
    const Operands& operands = at(Fill::random).operands;
    for (const Guard guard : {Guard::page_behind, Guard::page_before}) {
      for (const int threads : {1, 2}) {
        const Run got = run(*kernel, operands, {.threads = threads, .guard = guard});
        if (!got.violations.empty()) finding.note(got.violations.front());
      }
    }
    return finding;
  }

  /// Runs of a kernel that have to agree with the first one; the first difference found.
  std::string runs_differ(const Kernel& one, const Filled& f) const {
    for (const int threads : {1, 2}) {
      const Run got = run(one, f.operands, {.threads = threads});
      if (!got.violations.empty()) return got.violations.front();
      if (threads > 1 && !exact()) {
        const std::string deviated = deviation(got.outputs, f.expected).message;
        if (!deviated.empty()) return deviated;
      } else if (const auto difference = first_difference(got.outputs, f.first.outputs)) {
        return *difference;
      }
    }
    return "";
  }

  Finding check_contexts() {
    Finding finding;
    const Filled& own = exact() ? at(Fill::random) : judged_at(Fill::random);
    Filled other;  // other numbers, so that what the two share shows
    other.operands = make_operands(*current, Fill::random, options.seed + 1);
    other.first = run(*kernel, other.operands);
    if (!exact()) {
      other.expected =
          expect(oracle, current->op, other.operands, Fill::random, examined.numerics());
    }
    if (!second) second = soma::backend(examined.name(), {.numerics = examined.numerics()});
    if (!helper) helper.emplace();
    const auto at_once = [&](const Kernel& mine, const Kernel& theirs, const std::string& where) {
      std::string here, there;
      helper->start([&] { there = runs_differ(theirs, other); });
      try {
        here = runs_differ(mine, own);
      } catch (...) {
        helper->finish();
        throw;
      }
      helper->finish();
      if (!here.empty()) finding.note(where + here);
      if (!there.empty()) finding.note(where + there);
    };
    at_once(*kernel, second->prepare(current->op), "two contexts at once: ");
    at_once(*kernel, *kernel, "one kernel on two threads at once: ");
    return finding;
  }

  Finding check_memory() {
    Finding finding;
    const Operands& operands = at(Fill::random).operands;
    if (const Kept kept = kept_by_every([&] { run(*kernel, operands); })) {
      finding.note("keeps " + kept.text() + " of every execution");
    }
    if (const Kept kept = kept_by_every([&] { examined.prepare(current->op); })) {
      finding.note("keeps " + kept.text() + " of every kernel that was prepared and released");
    }
    return finding;
  }

  Finding check_gradients() {
    const auto d = differentiation_of(current->op);
    const GradientOutcome outcome = check_gradient(oracle, *current, *d, options.seed);
    return {outcome.message, outcome.share_of_bound};
  }

  /// Backward operands from the forward of one backend, computed by another.
  void cross(const Backend& first, const Backend& second, Finding& finding) {
    const Differentiation d = *differentiation_of(current->op);
    const Operands& operands = at(Fill::random).operands;
    const Array w = as_f32(uniform_values(d.forward.out(d.differentiated), options.seed,
                                          current->id() + ".cotangent"));
    const Kernel forward = first.prepare(d.forward);
    const std::vector<Array> saved = run(forward, operands, {.threads = 2}).outputs;
    const std::string where =
        "forward on " + first.name() + ", backward on " + second.name() + ": ";
    for (std::size_t b = 0; b < d.backward.size(); ++b) {
      const Kernel backward = second.prepare(d.backward[b].op);
      Filled f;
      f.operands = backward_operands(d, b, operands, saved, w);
      f.expected = expect(oracle, d.backward[b].op, f.operands, Fill::random, second.numerics());
      const Run got = run(backward, f.operands, {.threads = 2});
      if (!got.violations.empty()) finding.note(where + got.violations.front());
      const Deviation deviated = deviation(got.outputs, f.expected);
      finding.share = std::max(finding.share, deviated.worst_share);
      if (!deviated.message.empty()) finding.note(where + deviated.message);
      if (forward.info().exactness != Exactness::exact ||
          backward.info().exactness != Exactness::exact) {
        continue;
      }
      const std::vector<Array> home = oracle.reference(
          d.backward[b].op,
          backward_operands(d, b, operands, oracle.reference(d.forward, operands), w));
      if (const auto difference = first_difference(got.outputs, home)) {
        finding.note(where + "differs from both on the reference: " + *difference);
      }
    }
  }

  Finding check_across() {
    Finding finding;
    std::vector<Backend> others{oracle.backend()};
    others.insert(others.end(), options.partners.begin(), options.partners.end());
    for (const Backend& other : others) {
      cross(examined, other, finding);
      cross(other, examined, finding);
    }
    return finding;
  }

  Finding find(Check check) {
    switch (check) {
      case Check::bounds:
        return check_fill(Fill::random);
      case Check::integers:
        return check_fill(Fill::integers);
      case Check::nonfinite:
        return check_fill(Fill::nonfinite);
      case Check::huge:
        return check_fill(Fill::huge);
      case Check::threads:
        return check_threads();
      case Check::repeat:
        return check_repeat();
      case Check::alignment:
        return check_alignment();
      case Check::in_place:
        return check_in_place();
      case Check::rows:
        return check_rows();
      case Check::accumulate:
        return check_accumulate();
      case Check::steps:
        return check_steps();
      case Check::errors:
        return check_errors();
      case Check::gradient:
        return check_gradients();
      case Check::across:
        return check_across();
      case Check::claims:
        return check_claims();
      case Check::guards:
        return check_guards();
      case Check::pages:
        return check_pages();
      case Check::contexts:
        return check_contexts();
      case Check::memory:
        return check_memory();
    }
    return {"unknown check", 0};
  }
};

Examiner::Examiner(Backend examined, Backend reference, Options options)
    : state_(new State{.examined = std::move(examined),
                       .oracle = Oracle(std::move(reference)),
                       .options = std::move(options),
                       .kernel = {},
                       .filled = {},
                       .second = {},
                       .helper = {}}) {}

Examiner::~Examiner() = default;

const Backend& Examiner::backend() const { return state_->examined; }

std::string Examiner::refusal(const Case& c) const {
  std::string why;
  return state_->examined.supports(c.op, &why) ? "" : why;
}

Result Examiner::examine(const Case& c, Check check) {
  Result result{.op = c.op.id, .case_id = c.id(), .check = check, .message = {}};
  try {
    state_->enter(c);
    const Finding finding = state_->find(check);
    result.passed = finding.fault.empty();
    result.share_of_bound = finding.share;
    if (!result.passed) {
      result.message = finding.fault + "\n  op: " + c.op.str() +
                       "\n  kernel: " + state_->kernel->info().implementation;
    }
  } catch (const std::exception& error) {
    result.message = std::string("threw: ") + error.what();
  }
  return result;
}

}  // namespace soma::conformance
