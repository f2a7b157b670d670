// An optimizer: its update against its own float64 evaluation, from states that it made itself;
// what gradients of any size do; and whether it goes downhill.
#include "soma/optimizer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "certify/judging.hpp"
#include "certify/kinds.hpp"
#include "certify/questions.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/philox.hpp"
#include "soma/plugins.hpp"

namespace soma::conformance {
namespace {

constexpr std::size_t kMostScalars = 16;

/// Update number `step` of n elements. Inputs: scalars, gradient, weight, slots; outputs: weight,
/// slots.
class UpdateRoutine final : public Routine {
 public:
  UpdateRoutine(const soma_optimizer& table, std::vector<soma_attribute> options, std::int64_t n,
                std::int64_t step)
      : Routine(terms_of(table, n)),
        table_(table),
        options_(std::move(options)),
        n_(n),
        step_(step) {}

  std::vector<double> scalars(std::int64_t step, double rate) const {
    std::vector<double> list(kMostScalars);
    table_.scalars(options_.data(), step, rate, list.data());
    list.resize(static_cast<std::size_t>(table_.scalar_count));
    return list;
  }

  /// The state that the updates before this one leave.
  std::vector<Array> make_inputs(std::uint64_t seed) const override {
    std::vector<Array> inputs;
    for (const TensorInfo& info : terms().inputs) inputs.emplace_back(info);
    inputs[2] = drawn(terms().inputs[2], 2, seed, "certify.weight");
    const std::int64_t first = std::max<std::int64_t>(1, step_ - 12);
    for (std::int64_t step = first; step <= step_; ++step) {
      set_scalars(inputs[0], scalars(step, table_.learning_rate));
      inputs[1] = gradient(seed, step);
      if (step == step_) break;
      std::vector<Array> after = outputs_of(*this, DType::f32, inputs, one_piece());
      std::ranges::move(after, inputs.begin() + 2);
    }
    return inputs;
  }

  static void set_scalars(Array& to, const std::vector<double>& from) {
    std::ranges::transform(from, to.as<float>().begin(),
                           [](double x) { return static_cast<float>(x); });
  }

  void run(DType type, const Buffers& buffers, const Loop& loop) const override {
    Call call{this, type, &buffers};
    loop(
        n_, 1,
        [](void* argument, std::int64_t begin, std::int64_t end) {
          const Call& c = *static_cast<Call*>(argument);
          c.type == DType::f64
              ? c.self->piece<double>(*c.buffers, c.self->table_.step_f64, begin, end)
              : c.self->piece<float>(*c.buffers, c.self->table_.step_f32, begin, end);
        },
        &call);
  }

 private:
  struct Call {
    const UpdateRoutine* self;
    DType type;
    const Buffers* buffers;
  };

  static Terms terms_of(const soma_optimizer& table, std::int64_t n) {
    Terms terms;
    const TensorInfo numbers{DType::f32, {n}};
    terms.inputs = {{DType::f32, {table.scalar_count}}, numbers, numbers};
    terms.outputs = {numbers};
    for (std::int32_t k = 0; k < table.slot_count; ++k) {
      terms.inputs.push_back(numbers);
      terms.outputs.push_back(numbers);
    }
    for (std::size_t k = 0; k < terms.outputs.size(); ++k) terms.in_place.emplace_back(k, k + 2);
    terms.factor = 8;
    terms.floor = 0;
    terms.float64 = table.step_f64 != nullptr;
    return terms;
  }

  /// Of many magnitudes.
  Array gradient(std::uint64_t seed, std::int64_t step) const {
    Array g(terms().inputs[1]);
    const PhiloxStream stream(seed, "certify.gradient");
    std::uint32_t i = 0;
    for (float& x : g.as<float>()) {
      const auto s = static_cast<std::uint32_t>(step);
      const int exponent = -static_cast<int>(stream.bits(2 * s + 1, i) % 12);
      x = std::ldexp(2 * stream.uniform(2 * s, i++) - 1, exponent);
    }
    return g;
  }

  template <class Float, class Step>
  void piece(const Buffers& buffers, Step step, std::int64_t begin, std::int64_t end) const {
    std::vector<Float*> slots;
    for (std::size_t k = 1; k < buffers.outputs.size(); ++k) {
      slots.push_back(static_cast<Float*>(buffers.outputs[k]) + begin);
    }
    step(static_cast<const Float*>(buffers.inputs[0]),
         static_cast<const Float*>(buffers.inputs[1]) + begin,
         static_cast<Float*>(buffers.outputs[0]) + begin, slots.data(), end - begin);
  }

  const soma_optimizer& table_;
  std::vector<soma_attribute> options_;
  std::int64_t n_, step_;
};

class OptimizerExamination final : public Questions {
 public:
  OptimizerExamination(const Subject& subject, const CertifyOptions& options)
      : Questions(options), name_(subject.name), table_(*find_optimizer_plugin(subject.name)) {
    for (const std::int64_t n : {0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 127, 1000}) {
      add_routine(
          Level::backward, op(), std::to_string(n), [=, this] { return update(n, 4); },
          n == 0 ? Size::empty : Size::some);
    }
    for (const std::int64_t step : {1, 2, 10, 11, 100, 1000}) {
      add(Level::backward, op(), op() + "/update_" + std::to_string(step), [=, this](Verdict& v) {
        const auto routine = update(257, step);
        check_values(*routine, routine->make_inputs(options_.seed), v);
      });
    }
    const auto ask = [this](const char* name, void (OptimizerExamination::*check)(Verdict&) const) {
      add(Level::backward, op(), op() + "/" + name, [=, this](Verdict& v) { (this->*check)(v); });
    };
    ask("trajectory", &OptimizerExamination::check_trajectory);
    ask("special", &OptimizerExamination::check_special);
    ask("downhill", &OptimizerExamination::check_downhill);
    ask("scalars", &OptimizerExamination::check_scalars);
    add_trainings(
        name_, [] { return net_with_activation("tanh"); },
        [this] {
          Optimizer optimizer = optimizer_from_name(name_);
          optimizer.options = chosen_options(table_.options, table_.option_count, options_.fields);
          return optimizer;
        });
  }

 private:
  std::string op() const { return name_ + ".step"; }
  std::shared_ptr<const UpdateRoutine> update(std::int64_t n, std::int64_t step) const {
    return std::make_shared<UpdateRoutine>(
        table_, option_values(table_.options, table_.option_count, options_.fields), n, step);
  }

  /// Twenty updates in a row, each from the state that float32 has reached.
  void check_trajectory(Verdict& verdict) const {
    for (std::int64_t step = 1; step <= 20 && verdict.failures.empty(); ++step) {
      const auto routine = update(65, step);
      check_values(*routine, routine->make_inputs(options_.seed + 1), verdict);
    }
  }

  /// Gradients that are zero, tiny, huge or no numbers, at the first, a middle and the last place:
  /// the others keep their bits, and zero and tiny ones do what they do in float64.
  void check_special(Verdict& verdict) const {
    const auto routine = update(67, 5);
    const std::vector<Array> ordinary = routine->make_inputs(options_.seed);
    const auto before = outputs_of(*routine, DType::f32, ordinary, one_piece());
    for (const float g :
         {0.0f, -0.0f, 1e-30f, -1e-40f, 1e20f, std::numeric_limits<float>::max(),
          std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      for (const std::size_t place : {0, 5, 66}) {
        std::vector<Array> inputs = ordinary;
        inputs[1].as<float>()[place] = g;
        const auto after = outputs_of(*routine, DType::f32, inputs, one_piece());
        for (std::size_t k = 0; k < after.size(); ++k) {
          ++verdict.checks;
          for (std::size_t i = 0; i < after[k].elements(); ++i) {
            if (i == place || same_bits(before[k].as<float>()[i], after[k].as<float>()[i]))
              continue;
            verdict.fail("special", "gradient " + number(g) + " at element " +
                                        std::to_string(place) + ": element " + std::to_string(i) +
                                        " of output " + std::to_string(k) + " changed from " +
                                        number(before[k].as<float>()[i]) + " to " +
                                        number(after[k].as<float>()[i]));
            return;
          }
        }
        if (std::abs(g) < 1) check_values(*routine, inputs, verdict);
        if (!verdict.failures.empty()) return;
      }
    }
  }

  /// On (w - 1)^2 / 2 from 0, with its own learning rate, the way leads down, and a weight whose
  /// gradient has always been zero does not wander upwards.
  void check_downhill(Verdict& verdict) const {
    constexpr int kUpdates = 300;
    std::vector<Array> state;
    const auto first = update(2, 1);
    for (const TensorInfo& info : first->terms().inputs) state.emplace_back(info);
    for (int step = 1; step <= kUpdates; ++step) {
      UpdateRoutine::set_scalars(state[0], first->scalars(step, table_.learning_rate));
      const float w = state[2].as<float>()[0];
      state[1].as<float>()[0] = w - 1;
      state[1].as<float>()[1] = 0;
      std::vector<Array> after = outputs_of(*first, DType::f32, state, one_piece());
      std::ranges::move(after, state.begin() + 2);
    }
    const double w = static_cast<double>(state[2].as<float>()[0]);
    const double still = static_cast<double>(state[2].as<float>()[1]);
    verdict.checks += 2;
    if (!(std::abs(w - 1) < 1)) {
      verdict.fail("downhill", std::to_string(kUpdates) +
                                   " updates on (w - 1)^2 / 2 from w = 0: expected w nearer to 1, "
                                   "found " +
                                   number(w));
    }
    if (still != 0) {
      verdict.fail("downhill",
                   "a weight of 0 whose gradient was always 0: expected 0, found " + number(still));
    }
  }

  /// What the elements of an update share: finite also late, and the same when asked twice.
  void check_scalars(Verdict& verdict) const {
    const auto routine = update(1, 1);
    for (const std::int64_t step : {1L, 2L, 3L, 1000L, 1000000L, 1L << 40}) {
      for (const double rate : {0.0, 1e-6, table_.learning_rate, 1.0}) {
        const auto list = routine->scalars(step, rate);
        ++verdict.checks;
        const std::string where =
            "update " + std::to_string(step) + ", learning rate " + number(rate) + ": ";
        if (list != routine->scalars(step, rate)) {
          verdict.fail("scalars", where + "expected the same numbers when asked twice");
        }
        for (std::size_t i = 0; i < list.size(); ++i) {
          if (std::isfinite(static_cast<float>(list[i]))) continue;
          verdict.fail("scalars", where + "expected numbers that float32 can hold, found " +
                                      number(list[i]) + " as number " + std::to_string(i));
          return;
        }
      }
    }
  }

  std::string name_;
  const soma_optimizer& table_;
};

}  // namespace

std::unique_ptr<Examination> examine_optimizer(const Subject& subject,
                                               const CertifyOptions& options) {
  return std::make_unique<OptimizerExamination>(subject, options);
}

}  // namespace soma::conformance
