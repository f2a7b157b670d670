#include "lockstep.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "kernel_record.hpp"
#include "soma/conformance/bounds.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/error.hpp"
#include "work_bar.hpp"

namespace fs = std::filesystem;
using namespace soma::conformance;
using Message = ReplayProcess::Message;

namespace {

/// Where the two sides leave the operands of a kernel.
class ExchangeFolder {
 public:
  ExchangeFolder() {
    std::string name = (fs::temp_directory_path() / "soma-compare-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
      throw soma::StateError("cannot make a folder in " + fs::temp_directory_path().string());
    }
    path_ = name;
  }
  ~ExchangeFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  ExchangeFolder(const ExchangeFolder&) = delete;
  ExchangeFolder& operator=(const ExchangeFolder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

/// An element of an output, as a number.
double element_of(const Array& array, std::size_t i) {
  if (array.info.dtype == soma::DType::i32) return array.as<std::int32_t>()[i];
  return static_cast<double>(array.as<float>()[i]);
}

bool same_element(const Array& a, const Array& b, std::size_t i) {
  if (a.info.dtype == soma::DType::i32) {
    return a.as<std::int32_t>()[i] == b.as<std::int32_t>()[i];
  }
  return same_bits(a.as<float>()[i], b.as<float>()[i]);
}

struct Differing {
  std::size_t count = 0, total = 0, output = 0, element = 0;  // the last two of the first one
  std::uint32_t worst_ulp = 0;
};

Differing differing(const std::vector<Array>& a, const std::vector<Array>& b) {
  Differing d;
  for (std::size_t o = 0; o < a.size(); ++o) {
    d.total += a[o].elements();
    for (std::size_t i = 0; i < a[o].elements(); ++i) {
      if (same_element(a[o], b[o], i)) continue;
      if (d.count++ == 0) {
        d.output = o;
        d.element = i;
      }
      const double x = element_of(a[o], i), y = element_of(b[o], i);
      if (a[o].info.dtype == soma::DType::i32 || std::isnan(x) || std::isnan(y)) continue;
      d.worst_ulp =
          std::max(d.worst_ulp, ulp_distance(static_cast<float>(x), static_cast<float>(y)));
    }
  }
  return d;
}

std::vector<std::int64_t> coordinates(const soma::Shape& shape, std::size_t element) {
  const auto dims = shape.dims();
  std::vector<std::int64_t> index(dims.size());
  auto rest = static_cast<std::int64_t>(element);
  for (std::size_t axis = dims.size(); axis-- > 0;) {
    index[axis] = rest % dims[axis];
    rest /= dims[axis];
  }
  return index;
}

/// What float64 and the canonical order make of a kernel's inputs, if it can be told.
struct Judgement {
  std::vector<Expected> expected;
  std::vector<Array> canonical;
  std::string none;  ///< why there is no judgement
};

Judgement judge(const KernelRecord& kernel, soma::Numerics numerics) {
  Judgement judgement;
  if (kernel.plugin) {
    judgement.none = "a plugin's own function has no a-priori bound";
    return judgement;
  }
  if (kernel.op.attributes.flag("accumulate")) {
    judgement.none = "no a-priori bound for an op that accumulates";
    return judgement;
  }
  try {
    const Oracle oracle(soma::backend("reference"));
    judgement.canonical = oracle.reference(kernel.op, kernel.operands);
    // The numbers of a training step are not drawn at random: only the hard bounds hold.
    judgement.expected = expect(oracle, kernel.op, kernel.operands, Fill::nonfinite, numerics);
  } catch (const soma::Error& e) {
    judgement.none = std::string("no a-priori bound: ") + e.what();
  }
  return judgement;
}

Divergence::Of one_side(const KernelRecord& kernel, const Judgement& judgement, std::size_t output,
                        std::size_t element) {
  Divergence::Of of;
  of.value = element_of(kernel.outputs[output], element);
  of.exact = kernel.exact;
  of.implementation = kernel.implementation;
  if (!judgement.none.empty()) return of;
  of.canonical = same_element(kernel.outputs[output], judgement.canonical[output], element);
  const Expected& e = judgement.expected[output];
  if (e.integral || !std::isfinite(e.value[element])) return of;
  const double error = std::abs(of.value - e.value[element]);
  of.share = error == 0 ? 0 : error / e.limit[element];
  return of;
}

class Lockstep {
 public:
  Lockstep(const ReplayJob& a, const ReplayJob& b)
      : a_(a), b_(b), bar_(static_cast<std::size_t>(a.until), "steps") {
    result_.a = a.side;
    result_.b = b.side;
  }

  Comparison run() {
    while (result_.passed()) {
      const Message a = a_.next(), b = b_.next();
      if (stopped(a, b)) break;
      if (a.kind != b.kind) {
        throw soma::StateError("compare: the sides got out of step: '" + a.kind + "' and '" +
                               b.kind + "'");
      }
      if (a.kind == "end") break;
      if (a.kind == "step") {
        bar_.show(static_cast<std::size_t>(++result_.steps), result_.b.str());
      }
      if (a.kind == "start" && a.text != b.text) {
        result_.trouble = "the weights differ before the first step";
      }
      if (a.kind == "kernel") after_kernel(a.text == b.text);
    }
    return std::move(result_);
  }

 private:
  /// True if a side cannot go on, with the reason in the result.
  bool stopped(const Message& a, const Message& b) {
    const auto is_bad = [](const Message& m) { return m.kind == "died" || m.kind == "error"; };
    if (!is_bad(a) && !is_bad(b)) return false;
    for (const auto& [message, process, other, said] :
         {std::tuple(&a, &a_, &b_, &b), std::tuple(&b, &b_, &a_, &a)}) {
      if (!is_bad(*message)) continue;
      std::string where;
      if (message->kind == "died" && said->kind == "kernel") {
        // The other side has just done what this one died of.
        const KernelRecord kernel = fetch(*other, "other", false);
        where = " at step " + std::to_string(kernel.step) + ", " + kernel.layer + ", " +
                kernel.phase + ", " + kernel.op.str();
      }
      result_.trouble += (result_.trouble.empty() ? "" : "; ") + process->side().str() + where +
                         ": " + message->text;
    }
    return true;
  }

  KernelRecord fetch(ReplayProcess& process, const char* name, bool numbers = true) {
    const fs::path file = folder_ / name;
    process.send("give " + file.string());
    const Message said = process.next();
    if (said.kind != "gave") {
      throw soma::StateError("compare: " + process.side().str() + ": " + said.text);
    }
    KernelRecord kernel = KernelRecord::from_json(nlohmann::ordered_json::parse(said.text));
    if (numbers) kernel.read_numbers(file);
    return kernel;
  }

  void after_kernel(bool same) {
    ++result_.kernels;
    if (!same) examine();
    if (!result_.passed()) return;
    a_.send("go");
    b_.send("go");
  }

  void examine() {
    const KernelRecord a = fetch(a_, "a"), b = fetch(b_, "b");
    const Differing d = differing(a.outputs, b.outputs);
    const bool same_inputs = differing(a.operands.inputs, b.operands.inputs).count == 0;
    const bool bf16 =
        result_.a.numerics == soma::Numerics::bf16 || result_.b.numerics == soma::Numerics::bf16;
    const Judgement judgement = judge(a, bf16 ? soma::Numerics::bf16 : soma::Numerics::fast);
    const bool both_exact = a.exact && b.exact;
    const Deviation of_a = deviation_of(a, judgement), of_b = deviation_of(b, judgement);
    const bool outside = of_a.failures + of_b.failures > 0;
    Divergence divergence = describe(a, b, judgement, d, d.output, d.element);
    if (!same_inputs) {
      divergence.note =
          "its inputs differ already, although every kernel before gave the same: "
          "something wrote over them" +
          (divergence.note.empty() ? "" : "; " + divergence.note);
    }
    if (!result_.first) result_.first = divergence;
    if (both_exact || !same_inputs) {
      result_.failed = std::move(divergence);
      return;
    }
    if (outside) {
      const Deviation& worse = of_b.failures > 0 ? of_b : of_a;
      result_.failed = describe(a, b, judgement, d, worse.output, worse.element);
      return;
    }
    note(a.op.id, d, std::max(of_a.worst_share, of_b.worst_share));
    b_.send("take " + (folder_ / "a").string());
    if (const Message said = b_.next(); said.kind != "took") {
      result_.trouble = result_.b.str() + ": " + said.text;
    }
  }

  static Deviation deviation_of(const KernelRecord& kernel, const Judgement& judgement) {
    return judgement.none.empty() ? deviation(kernel.outputs, judgement.expected) : Deviation{};
  }

  static Divergence describe(const KernelRecord& a, const KernelRecord& b,
                             const Judgement& judgement, const Differing& d, std::size_t output,
                             std::size_t element) {
    Divergence at;
    at.step = a.step;
    at.epoch = a.epoch;
    at.step_in_epoch = a.step_in_epoch;
    at.kernel = a.number;
    at.kernels = a.kernels;
    at.layer = a.layer;
    at.phase = a.phase;
    at.op_id = a.op.id;
    at.op = a.op.str();
    at.output = output;
    at.element = element;
    at.index = coordinates(a.op.out(output), element);
    at.differing = d.count;
    at.elements = d.total;
    at.a = one_side(a, judgement, output, element);
    at.b = one_side(b, judgement, output, element);
    const bool floats = a.op.outputs[output].dtype == soma::DType::f32;
    if (floats && !std::isnan(at.a.value) && !std::isnan(at.b.value)) {
      at.ulp = ulp_distance(static_cast<float>(at.a.value), static_cast<float>(at.b.value));
    }
    at.relative =
        std::abs(at.a.value - at.b.value) / std::max(std::abs(at.a.value), std::abs(at.b.value));
    at.note = judgement.none;
    if (judgement.none.empty()) {
      at.float64 = judgement.expected[output].value[element];
      at.limit = judgement.expected[output].limit[element];
    }
    return at;
  }

  void note(const std::string& op_id, const Differing& d, double share) {
    auto it = std::ranges::find(result_.ops, op_id, &OpComparison::op_id);
    if (it == result_.ops.end()) it = result_.ops.insert(it, {op_id});
    ++it->differing;
    it->worst_ulp = std::max(it->worst_ulp, d.worst_ulp);
    it->worst_share = std::max(it->worst_share, share);
  }

  ExchangeFolder folder_;
  ReplayProcess a_, b_;
  WorkBar bar_;
  Comparison result_;
};

}  // namespace

Comparison compare_in_lockstep(const ReplayJob& a, const ReplayJob& b) {
  ReplayJob left = a, right = b;
  left.lockstep = right.lockstep = true;
  return Lockstep(left, right).run();
}
