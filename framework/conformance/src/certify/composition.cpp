// A layer that is composed of others: node by node in float64 and on every backend, and the
// gradients that the framework makes of it against difference quotients of the float64 graph.
#include <algorithm>
#include <cmath>
#include <map>

#include "certify/judging.hpp"
#include "certify/kinds.hpp"
#include "certify/layer_subject.hpp"
#include "certify/questions.hpp"
#include "soma/conformance/compare.hpp"
#include "soma/conformance/runner.hpp"
#include "soma/error.hpp"
#include "soma/graph.hpp"
#include "soma/layers.hpp"
#include "soma/trainer.hpp"

namespace soma::conformance {
namespace {

/// A graph, node by node. Inputs: those of the graph, then its parameters; output: its value.
class GraphRoutine final : public Routine {
 public:
  GraphRoutine(Graph graph, int output, Backend backend, int threads)
      : Routine(terms_of(graph, output)),
        graph_(std::move(graph)),
        output_(output),
        backend_(std::move(backend)),
        threads_(threads),
        oracle_(soma::backend("reference", {.numerics = Numerics::exact})) {}

  std::vector<Array> make_inputs(std::uint64_t seed) const override {
    std::vector<Array> list;
    for (std::size_t i = 0; i < terms().inputs.size(); ++i) {
      list.push_back(drawn(terms().inputs[i], i < graph_.inputs.size() ? 2 : 0.7, seed,
                           "certify.graph." + std::to_string(i)));
    }
    return list;
  }

  void run(DType type, const Buffers& buffers, const Loop&) const override {
    std::map<int, Array> values;
    for (std::size_t i = 0; i < terms().inputs.size(); ++i) {
      const bool input = i < graph_.inputs.size();
      Array array({type, terms().inputs[i].shape});
      std::copy_n(static_cast<const std::byte*>(buffers.inputs[i]), array.bytes.size(),
                  array.bytes.begin());
      values[input ? graph_.inputs[i] : graph_.parameters[i - graph_.inputs.size()].value] =
          std::move(array);
    }
    for (const Graph::Node& node : graph_.nodes) compute(node, type, values);
    const Array result = of(output_, type, values);
    std::ranges::copy(result.bytes, static_cast<std::byte*>(buffers.outputs[0]));
  }

 private:
  static Terms terms_of(const Graph& graph, int output) {
    Terms terms;
    for (const int input : graph.inputs) terms.inputs.push_back(info(graph, input));
    for (const auto& p : graph.parameters) terms.inputs.push_back({DType::f32, p.shape});
    terms.outputs = {info(graph, output)};
    const bool others = std::ranges::any_of(
        graph.nodes, [](const Graph::Node& node) { return !node.plugin.empty(); });
    terms.float64 = !others && graph.random < 0;
    return terms;
  }
  static const TensorInfo& info(const Graph& graph, int value) {
    return graph.values[static_cast<std::size_t>(value)].info;
  }

  /// A value that has been computed, is constant, or is a view of such a one.
  Array of(int id, DType type, const std::map<int, Array>& values) const {
    const Graph::ValueInfo& v = graph_.values[static_cast<std::size_t>(id)];
    if (const auto found = values.find(id); found != values.end()) return found->second;
    if (v.source == Graph::Source::constant) {
      Array array(v.info);
      if (v.info.dtype == DType::f32) std::ranges::fill(array.as<float>(), v.fill);
      std::ranges::copy(v.data, array.as<float>().begin());
      return type == DType::f64 ? as_f64(array) : array;
    }
    if (v.view_of >= 0) {
      Array array = of(v.view_of, type, values);
      array.info.shape = v.info.shape;
      return array;
    }
    throw UnsupportedError("it takes numbers that only a training has");
  }

  void compute(const Graph::Node& node, DType type, std::map<int, Array>& values) const {
    if (node.op.id == "view") return;
    if (!node.plugin.empty()) throw UnsupportedError("it is made of what other plugins bring");
    Operands operands;
    for (const int input : node.inputs) operands.inputs.push_back(of(input, type, values));
    std::vector<Array> outputs =
        type == DType::f64
            ? oracle_.evaluate(node.op, operands)
            : conformance::run(backend_.prepare(node.op), operands, {.threads = threads_}).outputs;
    for (std::size_t k = 0; k < outputs.size(); ++k)
      values[node.outputs[k]] = std::move(outputs[k]);
  }

  Graph graph_;
  int output_;
  Backend backend_;
  int threads_;
  Oracle oracle_;
};

class CompositionExamination final : public Questions {
 public:
  CompositionExamination(const Subject& subject, const CertifyOptions& options)
      : Questions(options), subject_(subject.name, options) {
    add(Level::contract, fwd(), fwd() + "/inputs", [this](Verdict& v) {
      ++v.checks;
      for (const LayerInputs& inputs : subject_.candidates()) {
        try {
          graph(inputs, 3, Purpose::infer, false);
          return;
        } catch (const UnsupportedError&) {
        }
      }
      v.fail("inputs", subject_.no_input());
    });
    for (const LayerInputs& inputs : subject_.candidates()) {
      using Check = void (CompositionExamination::*)(const LayerInputs&, Verdict&) const;
      const auto ask = [&](Level level, const char* question, Check check) {
        add(level, fwd(), fwd() + "/" + question + "_" + inputs.name,
            [=, this](Verdict& v) { (this->*check)(inputs, v); });
      };
      ask(Level::contract, "composes", &CompositionExamination::check_composes);
      ask(Level::forward, "float64", &CompositionExamination::check_float64);
      ask(Level::backward, "differences", &CompositionExamination::check_differences);
      ask(Level::determinism, "backends", &CompositionExamination::check_backends);
      add_trainings(
          subject_.name() + "_" + inputs.name,
          [=, this] {
            graph(inputs, 3, Purpose::infer, false);  // declined: so is the case
            return subject_.net(inputs);
          },
          [] { return Adam{.learning_rate = 5e-3}; });
    }
  }

 private:
  std::string fwd() const { return subject_.name() + ".fwd"; }

  struct Built {
    Graph graph;
    int output;
  };
  /// The layer alone, or behind a dense layer on the last axis, which learns through it.
  Built graph(const LayerInputs& inputs, std::int64_t batch, Purpose purpose, bool front) const {
    Built built;
    GraphBuilder builder(built.graph, purpose);
    std::vector<Value> values;
    for (const Shape& sample : inputs.samples) {
      values.push_back(builder.input(sample.batched(batch), inputs.dtype));
    }
    try {
      if (front) {
        builder.enter_layer("front");
        values[0] = front_layer(inputs)->build(builder, std::span(values).first(1));
      }
      builder.enter_layer("subject");
      built.output = subject_.make()->build(builder, values).id;
    } catch (const ShapeError& error) {
      throw UnsupportedError(error.what());
    }
    return built;
  }
  static std::unique_ptr<Layer> front_layer(const LayerInputs& inputs) {
    Attributes fields;
    fields.set("units", inputs.samples[0].back());
    fields.set("last_axis", std::int64_t{1});
    return make_layer("dense", fields);
  }
  GraphRoutine routine(const Built& built, const std::string& backend, int threads) const {
    return GraphRoutine(built.graph, built.output,
                        soma::backend(backend, {.numerics = Numerics::exact}), threads);
  }

  /// Composed twice it is the same; for inference as for training it gives samples.
  void check_composes(const LayerInputs& inputs, Verdict& verdict) const {
    for (const std::int64_t batch : {1, 2, 17}) {
      const Built a = graph(inputs, batch, Purpose::infer, false);
      const Built b = graph(inputs, batch, Purpose::infer, false);
      graph(inputs, batch, Purpose::train, false);
      ++verdict.checks;
      const auto ids = [](const Graph& g) {
        std::string text;
        for (const Graph::Node& node : g.nodes) text += node.op.str() + "\n";
        for (const auto& p : g.parameters) text += p.name + p.shape.str() + "\n";
        return text;
      };
      if (ids(a.graph) != ids(b.graph)) {
        verdict.fail("composes",
                     "expected the same graph when composed twice, batch " + std::to_string(batch));
      }
      const Shape& output = a.graph.shape(a.output);
      if (output.rank() < 1 || output[0] != batch) {
        verdict.fail("composes", "expected an output with the batch " + std::to_string(batch) +
                                     " in front, found " + output.str());
      }
    }
  }

  void check_float64(const LayerInputs& inputs, Verdict& verdict) const {
    for (const std::int64_t batch : {1, 3}) {
      const GraphRoutine r = routine(graph(inputs, batch, Purpose::infer, false), "reference", 1);
      check_values(r, r.make_inputs(options_.seed), verdict);
    }
  }

  /// Exact numerics: on each backend that has its ops the bits of the reference, for a sample alone
  /// those that it has in its batch.
  void check_backends(const LayerInputs& inputs, Verdict& verdict) const {
    const Built built = graph(inputs, 17, Purpose::infer, false);
    const GraphRoutine reference = routine(built, "reference", 1);
    const std::vector<Array> operands = reference.make_inputs(options_.seed);
    const auto expected = outputs_of(reference, DType::f32, operands, one_piece());
    for (const std::string& backend : backend_names()) {
      for (const int threads : options_.threads) {
        try {
          const auto got =
              outputs_of(routine(built, backend, threads), DType::f32, operands, one_piece());
          ++verdict.checks;
          if (const auto fault = first_difference(got, expected)) {
            verdict.fail("backends",
                         "on " + backend + ", " + std::to_string(threads) + " threads: " + *fault);
          }
        } catch (const UnsupportedError&) {
          break;  // a backend need not have every op
        }
      }
    }
  }

  /// One step of plain gradient descent at learning rate 1 tells the gradients that training uses,
  /// those of a layer in front of it included.
  void check_differences(const LayerInputs& inputs, Verdict& verdict) const {
    if (inputs.samples.size() != 1) throw UnsupportedError("it takes several inputs");
    constexpr std::int64_t kBatch = 3;
    const Built built = graph(inputs, kBatch, Purpose::train, true);
    const GraphRoutine r = routine(built, "reference", 1);
    if (!r.terms().float64) throw UnsupportedError("it has no float64 evaluation");
    std::vector<Array> operands = r.make_inputs(options_.seed);
    Model model(inputs.samples[0], "composition");
    model.add_layer(front_layer(inputs), "front", {});
    model.add_layer(subject_.make(), "subject", {});
    model.set_loss(Loss::mean_squared_error);
    model.initialize(options_.seed);
    std::vector<Parameter>& parameters = model.parameters();
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      std::ranges::copy(operands[1 + p].as<float>(), parameters[p].value.as<float>().begin());
      ++parameters[p].version;
    }
    const Array targets = drawn(r.terms().outputs[0], 1, options_.seed, "certify.targets");
    Trainer trainer(
        model, soma::backend("reference", {.numerics = Numerics::exact}),
        {.optimizer = Sgd{.learning_rate = 1}, .threads = 1, .nan_check = NanCheck::none});
    trainer.step(TensorView(operands[0].as<float>()), TensorView(targets.as<float>()));

    std::vector<Array> wide;
    for (const Array& a : operands) wide.push_back(as_f64(a));
    const auto loss = [&](std::size_t operand, std::size_t i, double offset) {
      std::vector<Array> there = wide;
      there[operand].as<double>()[i] += offset;
      const Array y = outputs_of(r, DType::f64, there, one_piece())[0];
      double sum = 0;
      for (std::size_t k = 0; k < y.elements(); ++k) {
        const double d = y.as<double>()[k] - static_cast<double>(targets.as<float>()[k]);
        sum += d * d;
      }
      return sum / static_cast<double>(y.elements());
    };
    constexpr std::size_t kMost = 25;
    for (std::size_t p = 0; p < parameters.size(); ++p) {
      if (!parameters[p].trainable) continue;
      const auto after = parameters[p].value.as<float>();
      const std::size_t stride = std::max<std::size_t>(1, after.size() / kMost);
      for (std::size_t i = 0; i < after.size(); i += stride) {
        const double before = wide[1 + p].as<double>()[i];
        const double found = before - static_cast<double>(after[i]);
        const double h = 1e-4;
        const double expected = (8 * (loss(1 + p, i, h) - loss(1 + p, i, -h)) -
                                 (loss(1 + p, i, 2 * h) - loss(1 + p, i, -2 * h))) /
                                (12 * h);
        const double bound =
            64 * kUnit * (1 + std::abs(before) + std::abs(expected)) + 1e-5 * std::abs(expected);
        ++verdict.checks;
        verdict.worst_share = std::max(verdict.worst_share, std::abs(found - expected) / bound);
        if (std::abs(found - expected) <= bound) continue;
        verdict.fail("differences", "gradient of " + parameters[p].name + " element " +
                                        std::to_string(i) + ": expected " + number(expected) +
                                        " within " + number(bound) + ", found " + number(found));
        return;
      }
    }
  }

  LayerSubject subject_;
};

}  // namespace

std::unique_ptr<Examination> examine_composition(const Subject& subject,
                                                 const CertifyOptions& options) {
  return std::make_unique<CompositionExamination>(subject, options);
}

}  // namespace soma::conformance
