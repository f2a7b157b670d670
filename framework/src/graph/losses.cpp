#include <algorithm>
#include <array>
#include <cstdlib>
#include <limits>
#include <optional>

#include "graph/gradients.hpp"
#include "plugins/builtin_names.hpp"
#include "plugins/options.hpp"
#include "soma/error.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/ops/loss.hpp"
#include "soma/sdk/ops/softmax.hpp"

namespace soma {
namespace {

enum class Field { real, integer, flag, text };

/// What the engine needs to know of a loss: its name, its options and its op on outputs of a shape.
struct Rule {
  Loss::Kind kind;
  const char* name;
  std::vector<std::pair<std::string_view, Field>> fields;  // and reduction
  Op (*forward)(const Attributes&, const Shape&, Purpose);
};

template <class Family>
Op forward_of(const Attributes& options, const Shape& output, Purpose purpose) {
  return Family::from(options).forward(output, purpose);
}

/// The op's attributes: class_weights is a flag there, the numbers are an input.
Op cross_entropy(const Attributes& options, const Shape& logits, Purpose purpose) {
  Attributes attributes;
  for (const auto& [name, value] : options.entries()) {
    if (name == "class_weights") {
      attributes.set("class_weights", std::int64_t{1});
    } else {
      attributes.set(name, value);
    }
  }
  return forward_of<ops::SoftmaxCrossEntropy>(attributes, logits, purpose);
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> list = {
      {Loss::Kind::softmax_cross_entropy,
       "softmax_cross_entropy",
       {{"label_smoothing", Field::real},
        {"ignore_index", Field::integer},
        {"class_weights", Field::text}},
       &cross_entropy},
      {Loss::Kind::mean_squared_error,
       "mean_squared_error",
       {},
       &forward_of<ops::MeanSquaredError>},
      {Loss::Kind::mean_absolute_error,
       "mean_absolute_error",
       {},
       &forward_of<ops::MeanAbsoluteError>},
      {Loss::Kind::huber, "huber", {{"delta", Field::real}}, &forward_of<ops::Huber>},
      {Loss::Kind::binary_cross_entropy_with_logits,
       "binary_cross_entropy_with_logits",
       {{"pos_weight", Field::real}},
       &forward_of<ops::BinaryCrossEntropyWithLogits>},
      {Loss::Kind::kl_divergence, "kl_divergence", {}, &forward_of<ops::KlDivergence>},
      {Loss::Kind::hinge, "hinge", {{"squared", Field::flag}}, &forward_of<ops::Hinge>},
      {Loss::Kind::cosine, "cosine", {{"epsilon", Field::real}}, &forward_of<ops::Cosine>},
  };
  return list;
}

const Rule& rule_of(Loss::Kind kind) { return *std::ranges::find(rules(), kind, &Rule::kind); }

std::vector<float> numbers_in(const std::string& text) {
  std::vector<float> numbers;
  const char* at = text.c_str();
  for (;;) {
    char* end = nullptr;
    const double x = std::strtod(at, &end);
    if (end == at) break;
    if (!(x >= 0 && x <= std::numeric_limits<float>::max())) {
      throw ShapeError("loss: class_weights: expected finite numbers of 0 or more");
    }
    numbers.push_back(static_cast<float>(x));
    at = end;
  }
  if (numbers.empty() || *at != '\0') {
    throw ShapeError("loss: class_weights: expected numbers, got \"" + text + "\"");
  }
  return numbers;
}

/// The value as the option's type; nothing if it is of another.
std::optional<Attributes::Value> converted(Field field, const Attributes::Value& value) {
  const auto* integer = std::get_if<std::int64_t>(&value);
  if (field == Field::real && integer != nullptr) return static_cast<double>(*integer);
  if (field == Field::real && std::get_if<double>(&value) != nullptr) return value;
  if (field == Field::integer && integer != nullptr) return value;
  if (field == Field::flag && integer != nullptr && (*integer == 0 || *integer == 1)) return value;
  if (field == Field::text && std::get_if<std::string>(&value) != nullptr) return value;
  return std::nullopt;
}

/// A loss that a plugin brings. Its own options are checked by its list, reduction as everywhere.
Loss plugin_loss(const soma_loss& table, const Attributes& given) {
  Loss loss = Loss::Kind::plugin;
  loss.table = &table;
  Attributes own, common;
  for (const auto& [key, value] : given.entries()) {
    (key == "reduction" ? common : own).set(key, value);
  }
  loss.options = plugins::checked_options("loss", plugins::options_of(table), own);
  ops::write_reduction(loss.options, ops::reduction_from(common));
  return loss;
}

/// The op of a plugin's loss on rows [items, width].
Op plugin_op(const Loss& loss, const Shape& output, Purpose purpose) {
  TensorInfo target{DType::f32, output};
  if (loss.takes_classes()) target = {DType::i32, {output[0]}};
  return {"loss/1.fwd", {{DType::f32, output}, target}, {{DType::f32, {1}}}, loss.options, purpose};
}

/// What of an output is one row of items.
Shape rows_of(const Loss& loss, const Shape& whole) {
  if (loss.takes_classes() || (loss.table != nullptr && loss.table->target == SOMA_ROWS)) {
    return {whole.elements() / std::max<std::int64_t>(1, whole.back()), whole.back()};
  }
  if (loss.table != nullptr) return {whole.elements(), 1};
  return loss.kind == Loss::Kind::cosine ? Shape{whole[0], whole.elements_from(1)} : whole;
}

}  // namespace

bool is_builtin_loss(std::string_view name) noexcept {
  return std::ranges::find(rules(), name, &Rule::name) != rules().end();
}

const char* name_of(const Loss& loss) noexcept {
  return loss.table != nullptr ? loss.table->name : rule_of(loss.kind).name;
}

std::vector<std::string_view> loss_names() {
  std::vector<std::string_view> names;
  for (const Rule& rule : rules()) names.emplace_back(rule.name);
  for (const std::string& plugin : loss_plugins()) {
    names.emplace_back(find_loss_plugin(plugin)->name);
  }
  return names;
}

Loss loss_from_name(std::string_view name, const Attributes& options) {
  const auto rule = std::ranges::find(rules(), name, &Rule::name);
  if (rule == rules().end()) {
    if (const soma_loss* table = find_loss_plugin(name)) return plugin_loss(*table, options);
    std::string list;
    for (const auto known : loss_names()) list += (list.empty() ? "" : ", ") + std::string(known);
    throw ShapeError("loss: unknown loss '" + std::string(name) + "'; known are " + list);
  }
  auto fields = rule->fields;
  fields.emplace_back("reduction", Field::text);
  Loss loss = rule->kind;
  for (const auto& [key, value] : options.entries()) {
    const auto field = std::ranges::find(fields, key, [](const auto& f) { return f.first; });
    if (field == fields.end()) {
      std::string list;
      for (const auto& f : fields) list += (list.empty() ? "" : ", ") + std::string(f.first);
      throw ShapeError("loss: unknown field '" + key + "'; known are " + list);
    }
    const auto typed = converted(field->second, value);
    if (!typed) throw ShapeError("loss: attribute '" + key + "' has the wrong type");
    loss.options.set(key, *typed);
  }
  const std::string weights = loss.options.text("class_weights", "");
  if (!weights.empty()) numbers_in(weights);
  try {
    rule->forward(loss.options, {1, 1}, Purpose::infer);  // checks the ranges
  } catch (const ShapeError& error) {
    throw ShapeError(std::string("loss: ") + error.what());
  }
  return loss;
}

void append_loss(Graph& graph, const Loss& loss, Purpose purpose, int number, double weight) {
  GraphBuilder builder(graph, purpose);
  builder.enter_layer("loss");
  Graph::LossInfo info{.output = number, .weight = weight};
  const int id = graph.outputs.at(static_cast<std::size_t>(number));
  Value output{id, graph.shape(id)};
  const Shape whole = output.shape;
  const bool classes = loss.takes_classes();
  if ((classes || loss.table != nullptr) && whole.rank() < 2) {
    throw ShapeError(std::string(name_of(loss)) + ": expected an output [N,...,C], got " +
                     whole.str());
  }
  TensorInfo targets_info{classes ? DType::i32 : DType::f32, whole};
  if (classes) {
    targets_info.shape = Shape(whole.dims().first(static_cast<std::size_t>(whole.rank() - 1)));
  }
  output = builder.reshape(output, rows_of(loss, whole));
  const Op op = loss.table != nullptr
                    ? plugin_op(loss, output.shape, purpose)
                    : rule_of(loss.kind).forward(loss.options, output.shape, purpose);
  const Value targets = builder.leaf(Graph::Source::targets, targets_info);
  std::vector<Value> inputs = {output, builder.reshape(targets, op.in(1))};
  if (op.inputs.size() > 2) {
    const Value weights = builder.leaf(Graph::Source::constant, op.inputs[2]);
    auto& data = graph.values[static_cast<std::size_t>(weights.id)].data;
    data = numbers_in(loss.options.text("class_weights", ""));
    if (static_cast<std::int64_t>(data.size()) != whole.back()) {
      throw ShapeError("loss: class_weights: expected " + std::to_string(whole.back()) +
                       " numbers, one per class, got " + std::to_string(data.size()));
    }
    inputs.push_back(weights);
  }
  const auto outputs = builder.emit(op, inputs);
  info.targets = targets.id;
  info.value = outputs[0].id;
  if (loss.table != nullptr) {
    graph.nodes.back().plugin = loss.table->name;
    // For the share of right answers; nothing of the loss depends on it.
    if (classes) {
      const Op softmax = ops::Softmax::forward(output.shape, Purpose::infer);
      info.probabilities = builder.emit_one(softmax, {output}).id;
    }
  } else if (classes) {
    info.probabilities = outputs[2].id;
  }
  graph.losses.push_back(info);
}

}  // namespace soma
