// An activation: its four functions against each other, against difference quotients of its own
// float64 evaluation, under every backend's threads, and inside a network that learns.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <thread>

#include "certify/activation_calls.hpp"
#include "certify/activation_inputs.hpp"
#include "certify/judging.hpp"
#include "certify/kinds.hpp"
#include "guarded_pages.hpp"
#include "process_state.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/conformance/training.hpp"
#include "soma/plugins.hpp"

namespace soma::conformance {
namespace {

constexpr int kSteps = 12, kFullSteps = 200;

/// How far a float32 result may be from the float64 evaluation of the same formula. The terms of a
/// formula may be as large as x or y and cancel, and each step rounds what the next one takes:
/// 16 u of |y|, of |x| and of |x y'|, which is what a relative error of x comes to.
double limit(double x, double y, double slope) {
  return 16 * kUnit * (std::abs(y) + std::abs(x) * (1 + std::abs(slope))) + 16 * kSubnormalUnit;
}

class ActivationExamination final : public Examination {
 public:
  ActivationExamination(const Subject& subject, const CertifyOptions& options)
      : name_(subject.name), options_(options), calls_(table_of(subject.name)) {}

  std::vector<Item> items() const override {
    std::vector<Item> list;
    for (const Question& q : kQuestions) {
      if (q.backward && !calls_.has_backward()) continue;
      list.push_back({q.level, op(q.backward), op(q.backward) + "/" + q.name});
    }
    for (const std::string& backend : backend_names()) {
      list.push_back({Level::determinism, op(false), op(false) + "/loops_of_" + backend});
      if (!calls_.has_backward()) continue;
      list.push_back({Level::training, "training", name_ + "_on_" + backend});
    }
    return list;
  }

  Verdict examine(const Item& item, const Notice& notice) override {
    Verdict verdict;
    const std::string name = item.name.substr(item.name.find('/') + 1);
    notice(name);
    try {
      if (item.level == Level::training) {
        train_on(item.name.substr(name_.size() + std::string("_on_").size()), verdict);
      } else if (name.starts_with(kLoopsOf)) {
        check_loops(name.substr(std::strlen(kLoopsOf)), verdict);
      } else {
        for (const Question& q : kQuestions) {
          if (item.op == op(q.backward) && name == q.name) (this->*q.ask)(verdict);
        }
      }
    } catch (const std::exception& error) {
      verdict.fail(name, std::string("threw: ") + error.what());
    }
    return verdict;
  }

 private:
  static const soma_activation& table_of(const std::string& name) {
    const soma_activation* table = find_activation_plugin(name);
    if (table == nullptr) throw PluginError("activation '" + name + "' is not ready");
    return *table;
  }

  static constexpr const char* kLoopsOf = "loops_of_";

  struct Question {
    Level level;
    bool backward;
    const char* name;
    void (ActivationExamination::*ask)(Verdict&);
  };
  static const std::vector<Question> kQuestions;

  std::string op(bool backward) const { return name_ + (backward ? ".bwd" : ".fwd"); }

  // C2

  /// All sizes, each between unreadable pages, y apart from x and in its place.
  void check_memory(bool backward, Verdict& verdict) {
    for (const std::int64_t n : kLengths) {
      for (const bool behind : {true, false}) {
        for (const bool in_place : {false, true}) {
          check_memory(backward, n, behind, in_place, verdict);
        }
      }
    }
  }

  void check_memory(bool backward, std::int64_t n, bool behind, bool in_place, Verdict& verdict) {
    const auto count = static_cast<std::size_t>(n);
    GuardedPages x_pages(count * sizeof(float)), g_pages(count * sizeof(float)),
        y_pages(count * sizeof(float));
    const auto place = [&](GuardedPages& pages) {
      return reinterpret_cast<float*>(behind ? pages.end() - count * sizeof(float) : pages.begin());
    };
    const std::vector<float> x = ordinary_inputs(count, options_.seed);
    const std::vector<float> g = ordinary_inputs(count, options_.seed + 1);
    float* const xs = place(x_pages);
    float* const gs = place(g_pages);
    float* const ys = !in_place ? place(y_pages) : backward ? gs : xs;
    std::ranges::copy(x, xs);
    std::ranges::copy(g, gs);
    if (!in_place) std::fill_n(ys, count, std::bit_cast<float>(0x7FC0DEADu));
    const ProcessState before = ProcessState::read();
    if (backward) {
      calls_.backward(xs, gs, ys, n);
    } else {
      calls_.forward(xs, ys, n);
    }
    const std::string changed = before.changed_in(ProcessState::read());
    const std::string where = std::to_string(n) + " elements" +
                              (in_place ? ", the result in the place of the input: " : ": ");
    verdict.checks += 3;
    if (!changed.empty()) verdict.fail("settings", where + changed);
    const bool x_kept = xs == ys || std::memcmp(xs, x.data(), count * sizeof(float)) == 0;
    const bool g_kept = gs == ys || std::memcmp(gs, g.data(), count * sizeof(float)) == 0;
    if (!x_kept || !g_kept) {
      verdict.fail("guards", where + "it changed its " + (x_kept ? "incoming gradient" : "input"));
    }
    std::vector<float> expected(count);
    if (backward) {
      calls_.backward(x.data(), g.data(), expected.data(), n);
    } else {
      calls_.forward(x.data(), expected.data(), n);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (same_bits(ys[i], expected[i]) && std::bit_cast<std::uint32_t>(ys[i]) != 0x7FC0DEADu) {
        continue;
      }
      verdict.fail("guards", where + "element " + std::to_string(i) + ": expected " +
                                 number(expected[i]) + ", found " + number(ys[i]));
      break;
    }
  }

  void forward_memory(Verdict& verdict) { check_memory(false, verdict); }
  void backward_memory(Verdict& verdict) { check_memory(true, verdict); }

  // C3

  double value(double x) const {
    double y = 0;
    calls_.forward(&x, &y, 1);
    return y;
  }
  double slope(double x) const {
    const double one = 1;
    double d = 0;
    calls_.backward(&x, &one, &d, 1);
    return d;
  }
  /// Compares one block of inputs with the float64 evaluation of the same inputs.
  void compare_forward(const std::vector<float>& x, Verdict& verdict) {
    const auto n = static_cast<std::int64_t>(x.size());
    std::vector<float> y(x.size());
    calls_.forward(x.data(), y.data(), n);
    const std::vector<double> wide(x.begin(), x.end()), ones(x.size(), 1);
    std::vector<double> expected(x.size()), slopes(x.size());
    calls_.forward(wide.data(), expected.data(), n);
    calls_.backward(wide.data(), ones.data(), slopes.data(), n);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double bound = limit(wide[i], expected[i], slopes[i]);
      const Comparison c = compare(y[i], expected[i], bound);
      verdict.worst_share = std::max(verdict.worst_share, c.right ? c.share : 0);
      if (c.right) continue;
      verdict.fail("float64", "x = " + number(x[i]) + ": expected " + number(expected[i]) +
                                  " within " + number(bound) + ", found " + number(y[i]));
      return;
    }
  }

  void forward_values(Verdict& verdict) {
    if (!require_float64(verdict)) return;
    for_each_block(options_.full, options_.seed, [&](const std::vector<float>& x) {
      ++verdict.checks;
      compare_forward(x, verdict);
      return verdict.failures.empty();
    });
  }

  void forward_special(Verdict& verdict) {
    for (const float x : kSpecialInputs) {
      // Each of them at each place of a vector and in its tail.
      std::vector<float> xs = ordinary_inputs(67, options_.seed), alone{x}, y(1);
      calls_.forward(alone.data(), y.data(), 1);
      ++verdict.checks;
      if (std::isnan(x) && !std::isnan(y[0])) {
        verdict.fail("special", "x = nan: expected nan, found " + number(y[0]));
      }
      for (std::size_t at : {std::size_t{0}, std::size_t{5}, xs.size() - 1}) {
        const float kept = std::exchange(xs[at], x);
        std::vector<float> ys(xs.size());
        calls_.forward(xs.data(), ys.data(), static_cast<std::int64_t>(xs.size()));
        ++verdict.checks;
        if (!same_bits(ys[at], y[0])) {
          verdict.fail("special", "x = " + number(x) + " at element " + std::to_string(at) +
                                      " of 67: expected " + number(y[0]) + " as alone, found " +
                                      number(ys[at]));
        }
        xs[at] = kept;
      }
    }
  }

  // C4

  void backward_values(Verdict& verdict) {
    if (!require_float64(verdict)) return;
    for_each_block(options_.full, options_.seed, [&](const std::vector<float>& x) {
      ++verdict.checks;
      compare_backward(x, verdict);
      return verdict.failures.empty();
    });
  }

  void compare_backward(const std::vector<float>& x, Verdict& verdict) {
    const auto n = static_cast<std::int64_t>(x.size());
    const std::vector<float> g = ordinary_inputs(x.size(), options_.seed + 2);
    std::vector<float> dx(x.size());
    calls_.backward(x.data(), g.data(), dx.data(), n);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double wide = x[i], d = slope(wide), expected = d * g[i];
      // What a relative error of x comes to, from the slopes beside it.
      const double h = 0x1p-12 * std::max(std::abs(wide), 0x1p-126);
      const double bend = std::isfinite(wide) ? (slope(wide + h) - slope(wide - h)) / (2 * h) : 0;
      const double bound = 16 * kUnit * std::abs(g[i]) * (std::abs(d) + 1 + std::abs(wide * bend)) +
                           16 * kSubnormalUnit * (1 + std::abs(g[i]));
      if (!std::isfinite(bound) && std::isfinite(expected)) continue;  // where f' jumps
      const Comparison c = compare(dx[i], expected, bound);
      verdict.worst_share = std::max(verdict.worst_share, c.right ? c.share : 0);
      if (c.right) continue;
      verdict.fail("float64", "x = " + number(x[i]) + ", incoming gradient " + number(g[i]) +
                                  ": expected " + number(expected) + " within " + number(bound) +
                                  ", found " + number(dx[i]));
      return;
    }
  }

  double quotient(double x, double h) const {
    return (8 * (value(x + h) - value(x - h)) - (value(x + 2 * h) - value(x - 2 * h))) / (12 * h);
  }

  /// The derivative against 4th-order central differences of the values, in float64 if it has that.
  void differences(Verdict& verdict) {
    const bool wide = calls_.has_float64();
    for (const double x : smooth_inputs(options_.seed)) {
      const std::string fault = slope_fault(
          wide ? DType::f64 : DType::f32, x, wide ? slope(x) : slope_f32(x), [&](double offset) {
            return wide ? value(x + offset) : value_f32(static_cast<float>(x + offset));
          });
      ++verdict.checks;
      if (fault.empty()) continue;
      verdict.fail("differences", "x = " + number(x) + ": " + fault);
      return;
    }
  }
  double value_f32(float x) const {
    float y = 0;
    calls_.forward(&x, &y, 1);
    return static_cast<double>(y);
  }
  double slope_f32(double x) const {
    const auto narrow = static_cast<float>(x);
    const float one = 1;
    float d = 0;
    calls_.backward(&narrow, &one, &d, 1);
    return static_cast<double>(d);
  }

  /// <J v, w> = <v, J' w> with J v from differences of the values: whole vectors, so that an
  /// element that takes its neighbour's gradient is found out.
  void adjoint(Verdict& verdict) {
    if (!require_float64(verdict)) return;
    for (const std::size_t n :
         {std::size_t{1}, std::size_t{7}, std::size_t{33}, std::size_t{1000}}) {
      const std::vector<float> x = ordinary_inputs(n, options_.seed + 3);
      const std::vector<float> v = ordinary_inputs(n, options_.seed + 4);
      const std::vector<float> w = ordinary_inputs(n, options_.seed + 5);
      std::vector<float> back(n);
      calls_.backward(x.data(), w.data(), back.data(), static_cast<std::int64_t>(n));
      double forward_side = 0, backward_side = 0, size = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double along = quotient(x[i], 1e-4) * v[i];
        forward_side += along * w[i];
        backward_side += static_cast<double>(back[i]) * v[i];
        size += std::abs(along * w[i]) + std::abs(w[i] * v[i]);
      }
      const double bound = 1e-4 * size;
      ++verdict.checks;
      verdict.worst_share =
          std::max(verdict.worst_share, std::abs(forward_side - backward_side) / bound);
      if (std::abs(forward_side - backward_side) <= bound) continue;
      verdict.fail("adjoint", std::to_string(n) + " elements: <Jv,w> = " + number(forward_side) +
                                  ", <v,J'w> = " + number(backward_side) +
                                  ", expected equal within " + number(bound));
    }
  }

  /// The terms of learnable numbers: float64 against differences, float32 against float64.
  void learnable(Verdict& verdict) {
    if (calls_.parameters() == 0) {
      verdict.refused = "it has no learnable numbers";
      return;
    }
    if (!require_float64(verdict)) return;
    for (std::int32_t k = 0; k < calls_.parameters(); ++k) {
      const std::vector<float> x = ordinary_inputs(1000, options_.seed + 8);
      const std::vector<float> g = ordinary_inputs(1000, options_.seed + 9);
      std::vector<float> terms(x.size());
      calls_.terms(k, x.data(), g.data(), terms.data(), static_cast<std::int64_t>(x.size()));
      for (std::size_t i = 0; i < x.size(); ++i) {
        const auto beside = [&](double step) { return calls_.value_beside(k, step, x[i]); };
        const auto quotient = [&](double h) {
          return (8 * (beside(h) - beside(-h)) - (beside(2 * h) - beside(-2 * h))) / (12 * h);
        };
        const double d = calls_.term(k, x[i]), coarse = quotient(1e-3), fine = quotient(5e-4);
        const double room = 4 * std::abs(coarse - fine) + 1e-9 * (1 + std::abs(d) + std::abs(x[i]));
        const double expected = d * g[i];
        const double bound = 16 * kUnit * std::abs(g[i]) * (std::abs(d) + 1 + std::abs(x[i]));
        const std::string where = "number " + std::to_string(k) + ", x = " + number(x[i]) + ": ";
        verdict.checks += 2;
        if (!(std::abs(d - fine) <= room)) {
          verdict.fail("learnable", where + "expected the derivative " + number(fine) + " within " +
                                        number(room) + ", found " + number(d));
          return;
        }
        const Comparison c = compare(terms[i], expected, bound);
        verdict.worst_share = std::max(verdict.worst_share, c.right ? c.share : 0);
        if (c.right) continue;
        verdict.fail("learnable", where + "expected the term " + number(expected) + " within " +
                                      number(bound) + ", found " + number(terms[i]));
        return;
      }
    }
  }

  /// Without float64 of its own there is nothing to hold the numbers to; the report says so.
  bool require_float64(Verdict& verdict) const {
    if (calls_.has_float64()) return true;
    verdict.refused = "it brings no float64 functions to compare with";
    return false;
  }

  // C5

  using Loop = std::function<void(std::int64_t n, const soma_range_fn fn, void* argument)>;

  /// Runs both directions under a loop that cuts the range, and wants the bits of one whole call.
  void check_under(const Loop& loop, const std::string& where, Verdict& verdict) {
    const std::vector<float> x = ordinary_inputs(kLongRange, options_.seed + 6);
    const std::vector<float> g = ordinary_inputs(kLongRange, options_.seed + 7);
    const auto n = static_cast<std::int64_t>(x.size());
    struct Call {
      const ActivationCalls* calls;
      const float *x, *g;
      float* to;
    };
    for (const bool backward : {false, true}) {
      if (backward && !calls_.has_backward()) continue;
      std::vector<float> whole(x.size()), cut(x.size());
      if (backward) {
        calls_.backward(x.data(), g.data(), whole.data(), n);
      } else {
        calls_.forward(x.data(), whole.data(), n);
      }
      Call call{&calls_, x.data(), backward ? g.data() : nullptr, cut.data()};
      const soma_range_fn fn = [](void* argument, std::int64_t begin, std::int64_t end) {
        const Call& c = *static_cast<Call*>(argument);
        if (c.g != nullptr) {
          c.calls->backward(c.x + begin, c.g + begin, c.to + begin, end - begin);
        } else {
          c.calls->forward(c.x + begin, c.to + begin, end - begin);
        }
      };
      loop(n, fn, &call);
      ++verdict.checks;
      for (std::size_t i = 0; i < whole.size(); ++i) {
        if (same_bits(whole[i], cut[i])) continue;
        verdict.fail("threads", where + (backward ? ", backward" : ", forward") + ", element " +
                                    std::to_string(i) + ", x = " + number(x[i]) + ": expected " +
                                    number(whole[i]) + " as in one call, found " + number(cut[i]));
        break;
      }
    }
  }

  void pieces(Verdict& verdict) {
    for (const std::int64_t piece : {1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 1000}) {
      check_under(
          [piece](std::int64_t n, soma_range_fn fn, void* argument) {
            for (std::int64_t at = 0; at < n; at += piece) {
              fn(argument, at, std::min(n, at + piece));
            }
          },
          "in pieces of " + std::to_string(piece), verdict);
    }
  }

  void two_threads(Verdict& verdict) {
    for (int round = 0; round < 4; ++round) {
      check_under(
          [](std::int64_t n, soma_range_fn fn, void* argument) {
            std::thread other([&] { fn(argument, 0, n / 2); });
            fn(argument, n / 2, n);
            other.join();
          },
          "halves on two threads at once", verdict);
    }
  }

  void check_loops(const std::string& backend_name, Verdict& verdict) {
    const Backend backend = soma::backend(backend_name, {.numerics = options_.numerics});
    for (const int threads : options_.threads) {
      check_under([&](std::int64_t n, soma_range_fn fn,
                      void* argument) { backend.parallel_for(threads, n, 64, fn, argument); },
                  "under " + backend_name + " on " + std::to_string(threads) + " threads", verdict);
    }
  }

  // C6

  void train_on(const std::string& backend_name, Verdict& verdict) {
    const int steps = options_.full ? kFullSteps : kSteps;
    const auto run = [&](const std::string& on, int threads) {
      return train(net_with_activation(name_), Adam{.learning_rate = 5e-3}, 17,
                   soma::backend(on, {.numerics = Numerics::exact}), threads, steps, options_.seed);
    };
    const Trained expected = run("reference", 1);
    for (const int threads : {1, 2, 3}) {
      try {
        const Trained got = run(backend_name, threads);
        ++verdict.checks;
        if (got.weights_sha256 == expected.weights_sha256) continue;
        verdict.fail("training", std::to_string(steps) + " steps on " + backend_name + ", " +
                                     std::to_string(threads) +
                                     " threads: expected the weights of the reference, SHA-256 " +
                                     expected.weights_sha256 + ", found " + got.weights_sha256);
      } catch (const UnsupportedError& error) {
        verdict.refused = error.what();
        return;
      }
    }
  }

  std::string name_;
  CertifyOptions options_;
  ActivationCalls calls_;
};

using E = ActivationExamination;
const std::vector<E::Question> E::kQuestions = {
    {Level::contract, false, "pages", &E::forward_memory},
    {Level::contract, true, "pages", &E::backward_memory},
    {Level::forward, false, "special", &E::forward_special},
    {Level::forward, false, "float64", &E::forward_values},
    {Level::backward, true, "float64", &E::backward_values},
    {Level::backward, true, "differences", &E::differences},
    {Level::backward, true, "adjoint", &E::adjoint},
    {Level::backward, true, "learnable", &E::learnable},
    {Level::determinism, false, "pieces", &E::pieces},
    {Level::determinism, false, "two_threads", &E::two_threads}};

}  // namespace

std::unique_ptr<Examination> examine_activation(const Subject& subject,
                                                const CertifyOptions& options) {
  return std::make_unique<ActivationExamination>(subject, options);
}

}  // namespace soma::conformance
