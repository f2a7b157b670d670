// A layer with functions of its own: forward and backward against its float64 evaluation, backward
// against difference quotients of forward, for batches of several sizes, samples alone, gradients
// that nobody wants. A layer that is composed of others is examined in composition.cpp.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "certify/judging.hpp"
#include "certify/kinds.hpp"
#include "certify/layer_calls.hpp"
#include "certify/layer_subject.hpp"
#include "certify/questions.hpp"
#include "process_state.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/error.hpp"
#include "soma/philox.hpp"

namespace soma::conformance {
namespace {

class LayerExamination final : public Questions {
 public:
  LayerExamination(const Subject& subject, const CertifyOptions& options)
      : Questions(options), subject_(subject.name, options) {
    add(Level::lifecycle, fwd(), subject_.name() + "/left_open", [this](Verdict& v) {
      ++v.checks;
      OpenLayer(subject_.table(), subject_.options(), accepted()[0].batch(3)).abandon();
    });
    add(Level::contract, fwd(), fwd() + "/inputs", [this](Verdict& v) {
      ++v.checks;
      if (accepted().empty()) v.fail("inputs", subject_.no_input());
    });
    for (const LayerInputs& inputs : subject_.candidates()) {
      for (const std::int64_t batch : {0, 1, 3, 17}) add_sizes(inputs, batch);
      add_checks(inputs);
    }
    add(Level::contract, fwd(), fwd() + "/declines", [this](Verdict& v) { check_declines(v); });
    for (const LayerInputs& inputs : subject_.candidates()) {
      add_trainings(
          subject_.name() + "_" + inputs.name,
          [=, this] {
            pair(inputs, 3);  // declined: so is the case
            return subject_.net(inputs);
          },
          [] { return Adam{.learning_rate = 5e-3}; });
    }
  }

 private:
  std::string fwd() const { return subject_.name() + ".fwd"; }
  std::string bwd() const { return subject_.name() + ".bwd"; }

  std::shared_ptr<const LayerPair> pair(const LayerInputs& inputs, std::int64_t batch) const {
    return std::make_shared<const LayerPair>(subject_.table(), subject_.options(),
                                             inputs.batch(batch));
  }

  std::vector<LayerInputs> accepted() const {
    std::vector<LayerInputs> list;
    for (const LayerInputs& inputs : subject_.candidates()) {
      try {
        const OpenLayer layer(subject_.table(), subject_.options(), inputs.batch(3));
        list.push_back(inputs);
      } catch (const UnsupportedError&) {
      }
    }
    return list;
  }

  void add_sizes(const LayerInputs& inputs, std::int64_t batch) {
    const std::string size = std::to_string(batch) + "x" + inputs.name;
    const Size kind = batch == 0 ? Size::empty : Size::some;
    add_routine(
        Level::forward, fwd(), size, [=, this] { return layer_forward(pair(inputs, batch)); },
        kind);
    add_routine(
        Level::backward, bwd(), size, [=, this] { return layer_backward(pair(inputs, batch)); },
        kind);
    if (batch == 0) return;
    add(Level::backward, bwd(), bwd() + "/differences_" + size,
        [=, this](Verdict& v) { check_differences(inputs, batch, v); });
  }

  void add_checks(const LayerInputs& inputs) {
    using Check = void (LayerExamination::*)(const LayerInputs&, Verdict&) const;
    const auto ask = [&](Level level, const std::string& op, const char* question, Check check) {
      add(level, op, op + "/" + question + "_" + inputs.name,
          [=, this](Verdict& v) { (this->*check)(inputs, v); });
    };
    ask(Level::contract, bwd(), "unwanted", &LayerExamination::check_unwanted);
    ask(Level::contract, fwd(), "memory", &LayerExamination::check_kept);
    ask(Level::forward, fwd(), "inference", &LayerExamination::check_inference);
    ask(Level::forward, fwd(), "special", &LayerExamination::check_special);
    ask(Level::forward, fwd(), "numbers", &LayerExamination::check_numbers);
    ask(Level::backward, bwd(), "adjoint", &LayerExamination::check_adjoint);
    ask(Level::determinism, fwd(), "alone", &LayerExamination::check_alone);
  }

  // C2

  /// Shapes that make no sense to many: an answer is wanted, whatever it is.
  void check_declines(Verdict& verdict) const {
    const std::size_t count = subject_.candidates()[0].samples.size();
    for (const Shape& shape :
         {Shape{4}, Shape{4, 0}, Shape{4, 1}, Shape{4, 2, 0, 3}, Shape{2, 1, 1, 1, 1, 1, 1, 2}}) {
      ++verdict.checks;
      const std::vector<TensorInfo> inputs(count, TensorInfo{DType::f32, shape});
      try {
        const auto layer =
            std::make_shared<const LayerPair>(subject_.table(), subject_.options(), inputs);
        check_memory(*layer_forward(layer), options_.seed, verdict);
        check_memory(*layer_backward(layer), options_.seed, verdict);
      } catch (const UnsupportedError&) {
      } catch (const std::exception& error) {
        verdict.fail("declines", "inputs " + shape.str() +
                                     ": expected to be taken or declined "
                                     "with status 1 or 2, found: " +
                                     error.what());
      }
    }
  }

  /// Only the gradients of the inputs, only those of the parameters: the same bits, and what
  /// forward saved is as before.
  void check_unwanted(const LayerInputs& inputs, Verdict& verdict) const {
    const auto layer = pair(inputs, 3);
    const OpenLayer& open = layer->narrow;
    const auto routine = layer_backward(layer);
    const std::vector<Array> operands = routine->make_inputs(options_.seed);
    const std::vector<Array> all = outputs_of(*routine, DType::f32, operands, one_piece());
    std::vector<const void*> pointers;
    for (const Array& operand : operands) pointers.push_back(operand.bytes.data());
    const void* grad_output = pointers.back();
    pointers.pop_back();
    std::vector<Array> saved;
    for (const TensorInfo& info : open.saved()) saved.emplace_back(info);
    std::vector<void*> saved_pointers;
    for (Array& s : saved) saved_pointers.push_back(s.bytes.data());
    alignas(64) static std::byte none[64];
    std::vector<std::byte> memory(open.workspace_bytes() + 64);
    void* workspace = memory.data();
    std::size_t space = memory.size();
    if (std::align(64, open.workspace_bytes(), workspace, space) == nullptr) workspace = none;
    Array output(open.output());
    open.forward(pointers, output.bytes.data(), saved_pointers, workspace, one_piece());
    const std::vector<Array> kept = saved;
    for (const bool of_inputs : {true, false}) {
      if (of_inputs ? all.size() == open.parameters().size() : open.parameters().empty()) continue;
      std::vector<Array> got = all;
      std::vector<void*> gradients;
      std::size_t next = 0;
      for (std::size_t i = 0; i < pointers.size(); ++i) {
        const bool is_input = i < open.inputs().size();
        const bool number = !is_input || open.inputs()[i].dtype != DType::i32;
        if (!number) {
          gradients.push_back(nullptr);
          continue;
        }
        Array& to = got[next++];
        if (is_input != of_inputs) {
          gradients.push_back(nullptr);
          continue;
        }
        std::ranges::fill(to.bytes, std::byte{0xFF});
        gradients.push_back(to.bytes.data());
      }
      open.backward(pointers, saved_pointers, grad_output, gradients, workspace, one_piece());
      verdict.checks += 2;
      const std::string wanted = of_inputs ? "inputs" : "parameters";
      if (const auto fault = first_difference(got, all)) {
        verdict.fail("unwanted", "only the gradients of the " + wanted + " wanted: " + *fault);
      }
      if (first_difference(saved, kept)) {
        verdict.fail("unwanted", "backward changed what forward had saved");
      }
    }
  }

  void check_kept(const LayerInputs& inputs, Verdict& verdict) const {
    pair(inputs, 3);
    ++verdict.checks;
    const std::vector<soma_attribute> options = subject_.options();
    const std::vector<TensorInfo> tensors = inputs.batch(3);
    const Kept kept =
        kept_by_every([&] { const OpenLayer layer(subject_.table(), options, tensors); });
    if (kept) verdict.fail("memory", "every opening and closing keeps " + kept.text());
  }

  // C3

  /// Without a place to save to the output has the same bits.
  void check_inference(const LayerInputs& inputs, Verdict& verdict) const {
    const auto layer = pair(inputs, 3);
    const auto routine = layer_forward(layer);
    const std::vector<Array> operands = routine->make_inputs(options_.seed);
    const Array expected = outputs_of(*routine, DType::f32, operands, one_piece())[0];
    std::vector<const void*> pointers;
    for (const Array& operand : operands) pointers.push_back(operand.bytes.data());
    std::vector<std::byte> memory(layer->narrow.workspace_bytes() + 64);
    void* workspace = memory.data();
    std::size_t space = memory.size();
    std::align(64, layer->narrow.workspace_bytes(), workspace, space);
    Array got(expected.info);
    layer->narrow.forward(pointers, got.bytes.data(), {}, workspace, one_piece());
    ++verdict.checks;
    if (const auto fault = first_difference({got}, {expected})) {
      verdict.fail("inference", "without a place to save to: " + *fault);
    }
  }

  /// NaN, infinities, zeros and subnormals at the first and last place of the first input.
  void check_special(const LayerInputs& inputs, Verdict& verdict) const {
    const auto routine = layer_forward(pair(inputs, 3));
    const std::vector<Array> ordinary = routine->make_inputs(options_.seed);
    if (ordinary[0].info.dtype != DType::f32) return;
    constexpr float kInfinity = std::numeric_limits<float>::infinity();
    for (const float x : {0.0f, -0.0f, 1e-40f, 16.0f, -88.7f, kInfinity, -kInfinity,
                          std::numeric_limits<float>::quiet_NaN()}) {
      for (const std::size_t place : {std::size_t{0}, ordinary[0].elements() - 1}) {
        std::vector<Array> operands = ordinary;
        operands[0].as<float>()[place] = x;
        Verdict found;
        check_values(*routine, operands, found);
        verdict.checks += found.checks;
        verdict.refused = found.refused;
        for (const Failure& f : found.failures) {
          verdict.fail(f.check,
                       "element " + std::to_string(place) + " is " + number(x) + ": " + f.message);
        }
        if (!verdict.failures.empty()) return;
      }
    }
  }

  /// An output of zeros or NaN would agree with anything.
  void check_numbers(const LayerInputs& inputs, Verdict& verdict) const {
    const auto layer = pair(inputs, 17);
    const auto forward = layer_forward(layer), backward = layer_backward(layer);
    const auto y =
        outputs_of(*forward, DType::f32, forward->make_inputs(options_.seed), one_piece());
    const auto g =
        outputs_of(*backward, DType::f32, backward->make_inputs(options_.seed), one_piece());
    const auto says_nothing = [](float x) { return x == 0 || !std::isfinite(x); };
    ++verdict.checks;
    if (2 * std::ranges::count_if(y[0].as<float>(), says_nothing) >
        static_cast<std::ptrdiff_t>(y[0].elements())) {
      verdict.fail("numbers", "more than half of the output is 0 or no number");
    }
    for (std::size_t k = 0; k < g.size(); ++k) {
      ++verdict.checks;
      if (!std::ranges::all_of(g[k].as<float>(), says_nothing)) continue;
      verdict.fail("numbers", "gradient " + std::to_string(k) + " is 0 or no number everywhere");
    }
  }

  // C4

  struct Pulled {
    std::shared_ptr<const Routine> forward, backward;
    DType type;
    std::vector<Array> operands;  // as backward takes them, in that type
    /// sum of output * gradient of the output, with element `i` of operand `k` moved
    double value(std::size_t k, std::size_t i, double offset) const {
      std::vector<Array> there(operands.begin(), operands.end() - 1);
      add_to(there[k], i, offset);
      return total(there);
    }
    double total(const std::vector<Array>& there) const {
      const Array y = outputs_of(*forward, type, there, one_piece())[0];
      double sum = 0;
      for (std::size_t i = 0; i < y.elements(); ++i) {
        sum += number_at(y, i) * number_at(operands.back(), i);
      }
      return sum;
    }
  };
  Pulled pulled(const LayerInputs& inputs, std::int64_t batch) const {
    const auto layer = pair(inputs, batch);
    Pulled p{layer_forward(layer), layer_backward(layer), DType::f32, {}};
    p.type = measured_in(*p.forward);
    p.operands = in_type(p.type, p.backward->make_inputs(options_.seed + 2));
    return p;
  }

  void check_differences(const LayerInputs& inputs, std::int64_t batch, Verdict& verdict) const {
    constexpr std::size_t kMost = 40;
    const Pulled p = pulled(inputs, batch);
    const auto gradients = outputs_of(*p.backward, p.type, p.operands, one_piece());
    std::size_t next = 0;
    for (std::size_t k = 0; k + 1 < p.operands.size(); ++k) {
      if (p.operands[k].info.dtype != p.type) continue;
      const Array& gradient = gradients[next++];
      const std::size_t stride = std::max<std::size_t>(1, gradient.elements() / kMost);
      for (std::size_t i = 0; i < gradient.elements(); i += stride) {
        const std::string fault = slope_fault(p.type, 1, number_at(gradient, i),
                                              [&](double offset) { return p.value(k, i, offset); });
        ++verdict.checks;
        if (fault.empty()) continue;
        verdict.fail("differences", "by element " + std::to_string(i) + " of operand " +
                                        std::to_string(k) + ": " + fault);
        return;
      }
    }
  }

  /// <J v, w> = <v, J' w>: differences of float64 along v, float32 gradients.
  void check_adjoint(const LayerInputs& inputs, Verdict& verdict) const {
    const Pulled p = pulled(inputs, 3);
    if (p.type != DType::f64) {
      verdict.refused = "it brings no float64 evaluation to compare with";
      return;
    }
    const auto gradients = outputs_of(*p.backward, DType::f32,
                                      p.backward->make_inputs(options_.seed + 2), one_piece());
    const auto direction = [&](std::size_t k, std::size_t i) {
      const PhiloxStream stream(options_.seed, "certify.direction");
      return 2.0 * static_cast<double>(stream.uniform(static_cast<std::uint32_t>(k),
                                                      static_cast<std::uint32_t>(i))) -
             1;
    };
    const auto along = [&](double step) {
      std::vector<Array> there(p.operands.begin(), p.operands.end() - 1);
      for (std::size_t k = 0; k < there.size(); ++k) {
        if (there[k].info.dtype != DType::f64) continue;
        for (std::size_t i = 0; i < there[k].elements(); ++i) {
          there[k].as<double>()[i] += step * direction(k, i);
        }
      }
      return p.total(there);
    };
    constexpr double kStep = 1e-5;
    const double forward_side = (along(kStep) - along(-kStep)) / (2 * kStep);
    double backward_side = 0, size = 1e-3;
    std::size_t next = 0;
    for (std::size_t k = 0; k + 1 < p.operands.size(); ++k) {
      if (p.operands[k].info.dtype != DType::f64) continue;
      const Array& gradient = gradients[next++];
      for (std::size_t i = 0; i < gradient.elements(); ++i) {
        const double term = static_cast<double>(gradient.as<float>()[i]) * direction(k, i);
        backward_side += term;
        size += std::abs(term);
      }
    }
    const double bound = 1e-4 * size, error = std::abs(forward_side - backward_side);
    ++verdict.checks;
    verdict.worst_share = std::max(verdict.worst_share, error / bound);
    if (error <= bound) return;
    verdict.fail("adjoint", "<Jv,w> = " + number(forward_side) + ", <v,J'w> = " +
                                number(backward_side) + ", expected equal within " + number(bound));
  }

  // C5

  /// The numbers of one sample of every input, the rest as it is.
  static std::vector<Array> sample(const std::vector<Array>& operands, std::size_t inputs,
                                   std::size_t row, std::size_t rows) {
    std::vector<Array> list = operands;
    for (std::size_t k = 0; k < inputs; ++k) {
      const std::size_t size = operands[k].bytes.size() / rows;
      const auto dims = operands[k].info.shape.dims();
      std::vector<std::int64_t> one(dims.begin(), dims.end());
      one[0] = 1;
      list[k] = Array({operands[k].info.dtype, Shape(one)});
      std::copy_n(operands[k].bytes.begin() + static_cast<std::ptrdiff_t>(row * size), size,
                  list[k].bytes.begin());
    }
    return list;
  }

  /// A sample alone has the bits that it has in its batch, unless float64 says that samples of this
  /// layer depend on each other.
  void check_alone(const LayerInputs& inputs, Verdict& verdict) const {
    constexpr std::size_t kRows = 17;
    const auto whole = layer_forward(pair(inputs, kRows)), one = layer_forward(pair(inputs, 1));
    const std::vector<Array> operands = whole->make_inputs(options_.seed);
    const Array y = outputs_of(*whole, DType::f32, operands, one_piece())[0];
    const std::size_t size = y.elements() / kRows;
    if (whole->terms().float64 && coupled(*whole, *one, operands, inputs.samples.size())) {
      verdict.refused = "its samples depend on each other";
      return;
    }
    for (const std::size_t row : {std::size_t{0}, std::size_t{3}, kRows - 1}) {
      const Array alone = outputs_of(
          *one, DType::f32, sample(operands, inputs.samples.size(), row, kRows), one_piece())[0];
      ++verdict.checks;
      for (std::size_t i = 0; i < size; ++i) {
        const float expected = alone.as<float>()[i], found = y.as<float>()[row * size + i];
        if (same_bits(expected, found)) continue;
        verdict.fail("alone", "element " + std::to_string(i) + " of sample " + std::to_string(row) +
                                  " of 17: expected " + number(expected) + " as alone, found " +
                                  number(found));
        return;
      }
    }
  }

  static bool coupled(const Routine& whole, const Routine& one, const std::vector<Array>& operands,
                      std::size_t inputs) {
    constexpr std::size_t kRows = 17;
    std::vector<Array> wide;
    for (const Array& a : operands) wide.push_back(as_f64(a));
    const Array y = outputs_of(whole, DType::f64, wide, one_piece())[0];
    const Array alone = outputs_of(one, DType::f64, sample(wide, inputs, 3, kRows), one_piece())[0];
    const std::size_t size = alone.elements();
    for (std::size_t i = 0; i < size; ++i) {
      const double a = alone.as<double>()[i], b = y.as<double>()[3 * size + i];
      if (std::abs(a - b) > 1e-9 * (1 + std::abs(a))) return true;
    }
    return false;
  }

  LayerSubject subject_;
};

}  // namespace

std::unique_ptr<Examination> examine_layer(const Subject& subject, const CertifyOptions& options) {
  if (is_composed(subject.name)) return examine_composition(subject, options);
  return std::make_unique<LayerExamination>(subject, options);
}

}  // namespace soma::conformance
