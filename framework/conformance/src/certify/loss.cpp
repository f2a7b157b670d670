// A loss: its values and gradients against its own float64 evaluation, its gradient against
// difference quotients of its value, and every item alone.
#include "soma/loss.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "certify/judging.hpp"
#include "certify/kinds.hpp"
#include "certify/questions.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/plugins.hpp"

namespace soma::conformance {
namespace {

constexpr float kScale = 0.625f;

/// Where the numbers of outputs and targets come from; a loss need not be defined everywhere.
struct Domain {
  const char* name;
  double least, most;  // of outputs
  enum class Targets { shares, signs, numbers } targets;
};
constexpr std::array kDomains = {
    Domain{"numbers", -4, 4, Domain::Targets::numbers},
    Domain{"shares", -4, 4, Domain::Targets::shares},  // targets of a row: shares of 1
    Domain{"signs", -4, 4, Domain::Targets::signs},
    Domain{"logarithms", -4, -0.01, Domain::Targets::shares},
    Domain{"probabilities", 0.01, 0.99, Domain::Targets::shares}};

class LossRoutine final : public Routine {
 public:
  /// Without a domain: the first one in which all values are finite.
  LossRoutine(const soma_loss& table, std::vector<soma_attribute> options, bool gradient,
              const Domain* domain, std::int64_t items, std::int64_t width)
      : Routine(terms_of(table, gradient, items, width)),
        table_(table),
        options_(std::move(options)),
        gradient_(gradient),
        domain_(domain),
        items_(items),
        width_(width) {}

  std::vector<Array> make_inputs(std::uint64_t seed) const override {
    if (domain_ != nullptr) {
      std::vector<Array> inputs = inputs_from(*domain_, seed);
      if (has_values(inputs)) return inputs;
      throw UnsupportedError("it has no finite values for outputs and targets of this kind");
    }
    for (const Domain& domain : kDomains) {
      std::vector<Array> inputs = inputs_from(domain, seed);
      if (has_values(inputs)) return inputs;
    }
    throw StateError(
        "expected finite values for outputs in [-4, 4], probabilities or logarithms "
        "of them; found none");
  }

  void run(DType type, const Buffers& buffers, const Loop& loop) const override {
    Call call{this, type, buffers.inputs[0], buffers.inputs[1], buffers.outputs[0]};
    loop(
        items_, 1,
        [](void* argument, std::int64_t begin, std::int64_t end) {
          const Call& c = *static_cast<Call*>(argument);
          c.type == DType::f64 ? c.self->pieces<double>(c, begin, end)
                               : c.self->pieces<float>(c, begin, end);
        },
        &call);
  }

 private:
  struct Call {
    const LossRoutine* self;
    DType type;
    const void *output, *target;
    void* to;
  };

  static Terms terms_of(const soma_loss& table, bool gradient, std::int64_t items,
                        std::int64_t width) {
    Terms terms;
    const TensorInfo numbers{DType::f32, {items, width}};
    const bool classes = table.target == SOMA_CLASSES;
    terms.inputs = {numbers, classes ? TensorInfo{DType::i32, {items}} : numbers};
    terms.outputs = {gradient ? numbers : TensorInfo{DType::f32, {items}}};
    terms.float64 = table.value_f64 != nullptr && table.gradient_f64 != nullptr;
    return terms;
  }

  std::vector<Array> inputs_from(const Domain& domain, std::uint64_t seed) const {
    Array output = drawn(terms().inputs[0], 1, seed, "certify.loss.output");
    for (float& x : output.as<float>()) {
      const double share = (static_cast<double>(x) + 1) / 2;
      x = static_cast<float>(domain.least + (domain.most - domain.least) * share);
    }
    return {output, targets(domain.targets, seed)};
  }

  bool has_values(const std::vector<Array>& inputs) const {
    std::vector<float> values(static_cast<std::size_t>(items_));
    table_.value_f32(options_.data(), inputs[0].as<float>().data(), inputs[1].bytes.data(), items_,
                     width_, values.data());
    return std::ranges::all_of(values, [](float x) { return std::isfinite(x); });
  }

  Array targets(Domain::Targets kind, std::uint64_t seed) const {
    Array to(terms().inputs[1]);
    const PhiloxStream stream(seed, "certify.loss.target");
    std::uint32_t i = 0;
    if (to.info.dtype == DType::i32) {
      for (std::int32_t& c : to.as<std::int32_t>()) {
        c = static_cast<std::int32_t>(stream.bits(0, i++) % static_cast<std::uint32_t>(width_));
      }
      return to;
    }
    for (float& t : to.as<float>()) {
      const float share = stream.uniform(0, i++);
      if (kind == Domain::Targets::numbers) t = 8 * share - 4;
      if (kind == Domain::Targets::signs) t = share < 0.5f ? -1.0f : 1.0f;
      if (kind == Domain::Targets::shares) t = 0.01f + 0.98f * share;
    }
    if (kind == Domain::Targets::shares && table_.target == SOMA_ROWS) {
      for (std::int64_t row = 0; row < items_; ++row) {
        const auto numbers = to.as<float>().subspan(static_cast<std::size_t>(row * width_),
                                                    static_cast<std::size_t>(width_));
        float total = 0;
        for (const float t : numbers) total += t;
        for (float& t : numbers) t /= total;
      }
    }
    return to;
  }

  template <class Float>
  void pieces(const Call& c, std::int64_t begin, std::int64_t end) const {
    const auto* output = static_cast<const Float*>(c.output) + begin * width_;
    const void* target =
        table_.target == SOMA_CLASSES
            ? static_cast<const void*>(static_cast<const std::int32_t*>(c.target) + begin)
            : static_cast<const Float*>(c.target) + begin * width_;
    auto* to = static_cast<Float*>(c.to) + (gradient_ ? begin * width_ : begin);
    const soma_attribute* o = options_.data();
    const std::int64_t n = end - begin;
    if constexpr (sizeof(Float) == sizeof(float)) {
      gradient_ ? table_.gradient_f32(o, output, target, n, width_, kScale, to)
                : table_.value_f32(o, output, target, n, width_, to);
    } else {
      gradient_ ? table_.gradient_f64(o, output, target, n, width_, kScale, to)
                : table_.value_f64(o, output, target, n, width_, to);
    }
  }

  const soma_loss& table_;
  std::vector<soma_attribute> options_;
  bool gradient_;
  const Domain* domain_;
  std::int64_t items_, width_;
};

class LossExamination final : public Questions {
 public:
  LossExamination(const Subject& subject, const CertifyOptions& options)
      : Questions(options), name_(subject.name), table_(*find_loss_plugin(subject.name)) {
    const bool rows = table_.target != SOMA_ELEMENTS;
    for (const std::int64_t items : {0, 1, 2, 3, 17, 65}) add_size(items, rows ? 5 : 1);
    if (rows) {
      for (const std::int64_t width : {1, 2, 16, 33}) add_size(7, width);
    }
    for (const Domain& domain : kDomains) {
      if (table_.target == SOMA_CLASSES && domain.targets == Domain::Targets::signs) continue;
      add_domain(domain, rows ? 6 : 1);
    }
    add_trainings(
        name_, [this] { return net(); }, [] { return Adam{.learning_rate = 5e-3}; });
  }

 private:
  std::string fwd() const { return name_ + ".fwd"; }
  std::string bwd() const { return name_ + ".bwd"; }
  std::shared_ptr<const LossRoutine> routine(bool gradient, const Domain* domain,
                                             std::int64_t items, std::int64_t width) const {
    return std::make_shared<LossRoutine>(
        table_, option_values(table_.options, table_.option_count, options_.fields), gradient,
        domain, items, width);
  }

  void add_size(std::int64_t items, std::int64_t width) {
    const std::string size = std::to_string(items) + "x" + std::to_string(width);
    const auto make = [=, this](bool gradient) {
      return [=, this] { return routine(gradient, nullptr, items, width); };
    };
    const Size kind = items == 0 ? Size::empty : Size::some;
    add_routine(Level::forward, fwd(), size, make(false), kind);
    add_routine(Level::backward, bwd(), size, make(true), kind);
    if (items == 0) return;
    add(Level::backward, bwd(), bwd() + "/differences_" + size,
        [=, this](Verdict& v) { check_differences(*make(false)(), *make(true)(), v); });
  }

  void add_domain(const Domain& domain, std::int64_t width) {
    const auto value = routine(false, &domain, 33, width),
               slope = routine(true, &domain, 33, width);
    const auto name = [&](const std::string& op, const char* question) {
      return op + "/" + question + "_" + domain.name;
    };
    const std::uint64_t seed = options_.seed;
    add(Level::forward, fwd(), name(fwd(), "float64"), [=, this](Verdict& v) {
      check_values(*value, value->make_inputs(seed + 1), v);
      refuse_zeros(*value, v);
    });
    add(Level::forward, fwd(), name(fwd(), "special"),
        [=, this](Verdict& v) { check_special(*value, v); });
    add(Level::backward, bwd(), name(bwd(), "float64"), [=, this](Verdict& v) {
      check_values(*slope, slope->make_inputs(seed + 1), v);
      refuse_zeros(*slope, v);
    });
    add(Level::backward, bwd(), name(bwd(), "special"),
        [=, this](Verdict& v) { check_special(*slope, v); });
    add(Level::backward, bwd(), name(bwd(), "differences"),
        [=, this](Verdict& v) { check_differences(*value, *slope, v); });
    add(Level::backward, bwd(), name(bwd(), "adjoint"),
        [=, this](Verdict& v) { check_adjoint(*value, *slope, v); });
  }

  /// What is zero everywhere agrees with itself in every type and number of threads.
  void refuse_zeros(const Routine& routine, Verdict& verdict) const {
    const Array y =
        outputs_of(routine, DType::f32, routine.make_inputs(options_.seed), one_piece())[0];
    const auto zero = [](float x) { return x == 0; };
    ++verdict.checks;
    if (std::ranges::all_of(y.as<float>(), zero)) verdict.fail("zeros", "every element is 0");
  }

  /// Numbers at the ends of functions: item 2 holds them, and all others keep their bits.
  void check_special(const Routine& routine, Verdict& verdict) const {
    constexpr std::size_t kItem = 2;
    const std::vector<Array> ordinary = routine.make_inputs(options_.seed);
    const std::vector<Array> before = outputs_of(routine, DType::f32, ordinary, one_piece());
    const std::size_t items = static_cast<std::size_t>(ordinary[0].info.shape[0]);
    const std::size_t width = ordinary[0].elements() / items;
    const std::size_t per_item = before[0].elements() / items;
    for (const float x :
         {0.0f, 16.0f, -16.0f, 88.7f, -88.7f, 104.0f, -104.0f, 1e4f, -1e4f,
          std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      for (const std::size_t place : {std::size_t{0}, width - 1}) {
        std::vector<Array> inputs = ordinary;
        inputs[0].as<float>()[kItem * width + place] = x;
        Verdict found;
        check_values(routine, inputs, found);
        verdict.checks += found.checks;
        verdict.refused = found.refused;
        const std::string where = "output " + number(x) + " of item 2: ";
        for (const Failure& f : found.failures) verdict.fail(f.check, where + f.message);
        const std::vector<Array> after = outputs_of(routine, DType::f32, inputs, one_piece());
        for (std::size_t i = 0; i < before[0].elements(); ++i) {
          if (i / per_item == kItem ||
              same_bits(before[0].as<float>()[i], after[0].as<float>()[i])) {
            continue;
          }
          verdict.fail("special", where + "element " + std::to_string(i) + " of another item: " +
                                      "expected " + number(before[0].as<float>()[i]) +
                                      " as before, found " + number(after[0].as<float>()[i]));
          break;
        }
        ++verdict.checks;
        if (!verdict.failures.empty()) return;
      }
    }
  }

  void check_differences(const Routine& value, const Routine& slope, Verdict& verdict) const {
    const DType type = measured_in(value);
    const std::vector<Array> inputs = in_type(type, value.make_inputs(options_.seed + 2));
    const Array gradient = outputs_of(slope, type, inputs, one_piece())[0];
    const std::size_t width =
        gradient.elements() / static_cast<std::size_t>(gradient.info.shape[0]);
    for (std::size_t i = 0; i < gradient.elements(); ++i) {
      const auto moved = [&](double offset) {
        std::vector<Array> there = inputs;
        add_to(there[0], i, offset);
        return number_at(outputs_of(value, type, there, one_piece())[0], i / width);
      };
      const std::string fault =
          slope_fault(type, 1, number_at(gradient, i) / static_cast<double>(kScale), moved);
      ++verdict.checks;
      if (fault.empty()) continue;
      verdict.fail("differences", "by output " + std::to_string(i) + ": " + fault);
      return;
    }
  }

  /// <J v, w> = <v, J' w>: differences of the float64 values along v, float32 gradients.
  void check_adjoint(const Routine& value, const Routine& slope, Verdict& verdict) const {
    if (!value.terms().float64) {
      verdict.refused = "it brings no float64 evaluation to compare with";
      return;
    }
    const std::vector<Array> narrow = value.make_inputs(options_.seed + 3);
    const Array gradient = outputs_of(slope, DType::f32, narrow, one_piece())[0];
    const Array direction = drawn(gradient.info, 1, options_.seed, "certify.direction");
    const auto along = [&](double step) {
      std::vector<Array> there = in_type(DType::f64, narrow);
      for (std::size_t i = 0; i < gradient.elements(); ++i) {
        add_to(there[0], i, step * number_at(direction, i));
      }
      const Array values = outputs_of(value, DType::f64, there, one_piece())[0];
      double sum = 0;
      for (std::size_t i = 0; i < values.elements(); ++i) sum += number_at(values, i);
      return sum;
    };
    constexpr double kStep = 1e-5;
    const double forward_side = (along(kStep) - along(-kStep)) / (2 * kStep);
    double backward_side = 0, size = 0;
    for (std::size_t i = 0; i < gradient.elements(); ++i) {
      const double term =
          number_at(gradient, i) / static_cast<double>(kScale) * number_at(direction, i);
      backward_side += term;
      size += std::abs(term);
    }
    const double bound = 1e-4 * (size + 1e-3), error = std::abs(forward_side - backward_side);
    ++verdict.checks;
    verdict.worst_share = std::max(verdict.worst_share, error / bound);
    if (error <= bound) return;
    verdict.fail("adjoint", "<Jv,w> = " + number(forward_side) + ", <v,J'w> = " +
                                number(backward_side) + ", expected equal within " + number(bound));
  }

  Model net() const {
    Model model = net_with_activation("tanh");
    model.set_loss(loss_from_name(
        name_, chosen_options(table_.options, table_.option_count, options_.fields)));
    return model;
  }

  std::string name_;
  const soma_loss& table_;
};

}  // namespace

std::unique_ptr<Examination> examine_loss(const Subject& subject, const CertifyOptions& options) {
  return std::make_unique<LossExamination>(subject, options);
}

}  // namespace soma::conformance
