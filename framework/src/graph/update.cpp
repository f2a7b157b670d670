#include <algorithm>
#include <cmath>
#include <memory>
#include <span>

#include "graph/gradients.hpp"
#include "plugins/builtin_names.hpp"
#include "plugins/options.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/ops/optimizer.hpp"
#include "soma/sdk/ops/pointwise.hpp"
#include "soma/sdk/ops/regularization.hpp"

namespace soma {
namespace {

/// What the engine needs to know of an optimizer: its op for a weight, its state and how many
/// scalars it takes.
struct Rule {
  const char* type;
  Optimizer (*defaults)();
  Op (*step)(const Attributes&, const Shape&);
  std::vector<std::string> (*slots)(const Attributes&);
};

template <class Family>
Op step_of(const Attributes& options, const Shape& weight) {
  return Family::from(options).step(weight);
}
template <class Spec>
Optimizer defaults_of() {
  return Spec{};
}
std::vector<std::string> moments(const Attributes&) { return {"m", "v"}; }

const Rule kRules[] = {
    {"sgd", &defaults_of<Sgd>, &step_of<ops::Sgd>,
     [](const Attributes& a) -> std::vector<std::string> {
       if (a.real("momentum", 0) == 0) return {};
       return {"velocity"};
     }},
    {"adagrad", &defaults_of<Adagrad>, &step_of<ops::Adagrad>,
     [](const Attributes&) -> std::vector<std::string> { return {"sum"}; }},
    {"rmsprop", &defaults_of<Rmsprop>, &step_of<ops::Rmsprop>,
     [](const Attributes& a) {
       std::vector<std::string> slots = {"v"};
       if (a.flag("centered")) slots.emplace_back("m");
       if (a.real("momentum", 0) != 0) slots.emplace_back("velocity");
       return slots;
     }},
    {"adadelta", &defaults_of<Adadelta>, &step_of<ops::Adadelta>,
     [](const Attributes&) -> std::vector<std::string> {
       return {"v", "u"};
     }},
    {"adam", &defaults_of<Adam>, &step_of<ops::Adam>, &moments},
    {"adamw", &defaults_of<AdamW>, &step_of<ops::AdamW>, &moments},
    {"nadam", &defaults_of<Nadam>, &step_of<ops::Nadam>, &moments},
    {"lion", &defaults_of<Lion>, &step_of<ops::Lion>,
     [](const Attributes&) -> std::vector<std::string> { return {"m"}; }},
};

/// A rule, or else the table of a plugin.
struct Known {
  const Rule* rule = nullptr;
  const soma_optimizer* table = nullptr;
};

Known known(std::string_view type) {
  const auto* rule = std::ranges::find(kRules, type, &Rule::type);
  if (rule != std::end(kRules)) return {rule};
  if (const soma_optimizer* table = find_optimizer_plugin(type)) return {nullptr, table};
  std::string list;
  for (const std::string& name : optimizer_names()) list += (list.empty() ? "" : ", ") + name;
  throw StateError("optimizer '" + std::string(type) + "' is not known; known are " + list);
}

/// Weight, gradient, scalars and slots of a plugin's step, which are overwritten in place.
Op plugin_step(const soma_optimizer& table, const Shape& weight) {
  const TensorInfo like_weight{DType::f32, weight};
  Op op{"optimizer/1.step",
        {like_weight, like_weight, {DType::f32, {table.scalar_count}}},
        {like_weight},
        {},
        Purpose::train};
  op.inputs.insert(op.inputs.end(), static_cast<std::size_t>(table.slot_count), like_weight);
  op.outputs.insert(op.outputs.end(), static_cast<std::size_t>(table.slot_count), like_weight);
  return op;
}

Op step_op(const Optimizer& optimizer, const Shape& weight) {
  const Known found = known(optimizer.type);
  return found.rule != nullptr ? found.rule->step(optimizer.options, weight)
                               : plugin_step(*found.table, weight);
}

/// The gradients on their way to the optimizer.
class Gradients {
 public:
  Gradients(Graph& graph, GraphBuilder& builder, std::vector<int> gradients)
      : graph_(graph), builder_(builder), values_(std::move(gradients)) {}

  int operator[](std::size_t parameter) const { return values_[parameter]; }

  void add_penalties(double l1, double l2) {
    if (l1 == 0 && l2 == 0) return;
    const ops::Penalty penalty{l1, l2};
    each([&](std::size_t p, const Value& g) {
      const auto& parameter = graph_.parameters[p];
      if (parameter.shape.rank() < 2) return;
      replace(p, builder_.emit_one(penalty.forward(g.shape),
                                   {g, Value{parameter.value, parameter.shape}}));
    });
  }
  void clip_values(double limit) {
    if (limit == 0) return;
    const ops::ClipGradient clip{limit};
    each([&](std::size_t p, const Value& g) {
      replace(p, builder_.emit_one(clip.forward(g.shape), {g}));
    });
  }
  void clip_norm(double limit) {
    if (limit == 0) return;
    Value sum = builder_.leaf(Graph::Source::constant, {DType::f32, {1}}, -1, 0, 0.0f);
    each([&](std::size_t, const Value& g) {
      sum = builder_.emit_one(ops::SquaredNorm::forward(g.shape), {g, sum});
    });
    const ops::ClipByNorm clip{limit};
    each([&](std::size_t p, const Value& g) {
      replace(p, builder_.emit_one(clip.forward(g.shape), {g, sum}));
    });
  }

 private:
  void each(auto action) {
    for (std::size_t p = 0; p < values_.size(); ++p) {
      if (values_[p] >= 0) action(p, Value{values_[p], graph_.parameters[p].shape});
    }
  }
  void replace(std::size_t parameter, const Value& by) { values_[parameter] = by.id; }

  Graph& graph_;
  GraphBuilder& builder_;
  std::vector<int> values_;
};

}  // namespace

bool is_builtin_optimizer(std::string_view name) noexcept {
  return name == "momentum" || std::ranges::find(kRules, name, &Rule::type) != std::end(kRules);
}

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const Rule& rule : kRules) names.emplace_back(rule.type);
  for (std::string& plugin : optimizer_plugins()) names.push_back(std::move(plugin));
  return names;
}

Optimizer optimizer_from_name(std::string_view name) {
  const Known found = known(name);
  if (found.rule != nullptr) return found.rule->defaults();
  Optimizer optimizer;
  optimizer.type = found.table->name;
  optimizer.learning_rate = found.table->learning_rate;
  for (const soma_option& o : plugins::options_of(*found.table)) {
    if (o.kind == SOMA_INTEGER) optimizer.options.set(o.name, o.integer);
    if (o.kind == SOMA_REAL) optimizer.options.set(o.name, o.real);
    if (o.kind == SOMA_STRING) optimizer.options.set(o.name, std::string(o.text));
  }
  return optimizer;
}

std::vector<std::string> optimizer_slots(const Optimizer& optimizer) {
  const Known found = known(optimizer.type);
  if (found.rule != nullptr) return found.rule->slots(optimizer.options);
  return {found.table->slots, found.table->slots + found.table->slot_count};
}

UpdateScalars::UpdateScalars(const Optimizer& optimizer) {
  const Known found = known(optimizer.type);
  if (found.table != nullptr) {
    plugin_ = found.table;
    const auto options = plugins::options_of(*plugin_);
    const std::string what = "optimizer '" + optimizer.type + "'";
    plugin_options_ = std::make_unique<plugins::OptionValues>(
        options, plugins::checked_options(what, options, optimizer.options));
    return;
  }
  constexpr std::pair<std::string_view, Formula> kFormulas[] = {{"adam", Formula::adam},
                                                                {"adamw", Formula::adamw},
                                                                {"nadam", Formula::nadam},
                                                                {"lion", Formula::lion}};
  for (const auto& [name, formula] : kFormulas) {
    if (name == optimizer.type) formula_ = formula;
  }
  const Optimizer defaults = found.rule->defaults();
  const auto option = [&](const char* name) {
    return optimizer.options.real(name, defaults.options.real(name, 0));
  };
  beta1_ = option("beta1");
  beta2_ = option("beta2");
  weight_decay_ = option("weight_decay");
  momentum_decay_ = option("momentum_decay");
}

UpdateScalars::~UpdateScalars() = default;

double UpdateScalars::nadam_momentum(double t) const {
  return beta1_ * (1 - 0.5 * std::pow(0.96, t * momentum_decay_));
}

void UpdateScalars::advance_product(std::int64_t step) {
  if (product_step_ > step) {
    product_ = 1;
    product_step_ = 0;
  }
  while (product_step_ < step) product_ *= nadam_momentum(static_cast<double>(++product_step_));
}

void UpdateScalars::write(std::int64_t step, double rate, float* to) {
  if (plugin_ != nullptr) {
    double values[16] = {};
    plugin_->scalars(plugin_options_->data(), step, rate, values);
    std::ranges::transform(std::span(values, static_cast<std::size_t>(plugin_->scalar_count)), to,
                           [](double x) { return static_cast<float>(x); });
    return;
  }
  const double t = static_cast<double>(step);
  const auto set = [to](std::initializer_list<double> values) {
    std::ranges::transform(values, to, [](double x) { return static_cast<float>(x); });
  };
  switch (formula_) {
    case Formula::adam:
      return set({rate / (1 - std::pow(beta1_, t)), 1 / (1 - std::pow(beta2_, t))});
    case Formula::adamw:
      return set(
          {rate / (1 - std::pow(beta1_, t)), 1 / (1 - std::pow(beta2_, t)), rate * weight_decay_});
    case Formula::nadam: {
      advance_product(step);
      const double mu = nadam_momentum(t), next = nadam_momentum(t + 1);
      return set({rate * (1 - mu) / (1 - product_), rate * next / (1 - product_ * next),
                  1 / (1 - std::pow(beta2_, t))});
    }
    case Formula::lion:
      return set({rate, rate * weight_decay_});
    case Formula::rate:
      return set({rate});
  }
}

void append_update(Graph& graph, const Optimizer& optimizer, const Regularization& regularization,
                   bool average) {
  GraphBuilder builder(graph, Purpose::train);
  builder.set_phase(Graph::Phase::update);
  Gradients final(graph, builder, graph.gradients);
  final.add_penalties(regularization.l1, regularization.l2);
  final.clip_values(regularization.clip_value);
  final.clip_norm(regularization.clip_norm);

  const TensorInfo scalars_info = step_op(optimizer, {1}).inputs[2];
  const Value scalars =
      builder.leaf(Graph::Source::scalars, scalars_info, static_cast<int>(ScalarSet::optimizer));
  const TensorInfo one{DType::f32, {1}};
  Value share;
  if (average) {
    share = builder.leaf(Graph::Source::scalars, one, static_cast<int>(ScalarSet::average));
  }
  const std::size_t slots = optimizer_slots(optimizer).size();
  const std::string plugin = is_builtin_optimizer(optimizer.type) ? "" : optimizer.type;
  for (std::size_t p = 0; p < graph.parameters.size(); ++p) {
    if (final[p] < 0) continue;
    const Shape shape = graph.parameters[p].shape;
    const Value weight{graph.parameters[p].value, shape};
    std::vector<Value> inputs = {weight, {final[p], shape}, scalars};
    for (std::size_t slot = 0; slot < slots; ++slot) {
      inputs.push_back(builder.leaf(Graph::Source::state, {DType::f32, shape}, static_cast<int>(p),
                                    static_cast<int>(slot)));
    }
    // The ops write weight and state in place.
    const auto outputs = builder.emit(step_op(optimizer, shape), inputs);
    graph.nodes.back().plugin = plugin;
    builder.write_back(outputs[0], weight);
    for (std::size_t slot = 0; slot < slots; ++slot) {
      builder.write_back(outputs[slot + 1], inputs[slot + 3]);
    }
    if (regularization.max_norm != 0 && shape.rank() >= 2) {
      const ops::MaxNorm limit{regularization.max_norm};
      builder.write_back(builder.emit_one(limit.forward(shape), {weight}), weight);
    }
    if (!average) continue;
    const TensorInfo like_weight{DType::f32, shape};
    const Value mean = builder.leaf(Graph::Source::state, like_weight, static_cast<int>(p),
                                    static_cast<int>(slots));
    const Op op{
        "average/1.step", {like_weight, like_weight, one}, {like_weight}, {}, Purpose::train};
    builder.write_back(builder.emit_one(op, {mean, weight, share}), mean);
    graph.nodes.back().plugin = "average";
  }
}

void append_gradient_sums(Graph& graph) {
  GraphBuilder builder(graph, Purpose::train);
  builder.set_phase(Graph::Phase::update);
  for (std::size_t p = 0; p < graph.parameters.size(); ++p) {
    if (graph.gradients[p] < 0) continue;
    const Shape shape = graph.parameters[p].shape;
    const Value sum =
        builder.leaf(Graph::Source::state, {DType::f32, shape}, static_cast<int>(p), kGradientSum);
    const Value gradient{graph.gradients[p], shape};
    builder.write_back(
        builder.emit_one(ops::Add::forward(shape, shape, Purpose::train), {sum, gradient}), sum);
  }
}

Graph summed_update(const Graph& of, const Optimizer& optimizer,
                    const Regularization& regularization, bool average) {
  Graph graph;
  GraphBuilder builder(graph, Purpose::train);
  for (std::size_t p = 0; p < of.parameters.size(); ++p) {
    const TensorInfo info{DType::f32, of.parameters[p].shape};
    const auto index = static_cast<int>(p);
    graph.parameters.push_back(of.parameters[p]);
    graph.parameters.back().value = builder.leaf(Graph::Source::parameter, info, index).id;
    graph.gradients.push_back(
        of.gradients[p] < 0 ? -1
                            : builder.leaf(Graph::Source::state, info, index, kGradientSum).id);
  }
  append_update(graph, optimizer, regularization, average);
  return graph;
}

}  // namespace soma
