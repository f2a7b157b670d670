#include <exception>
#include <vector>

#include "model/plugin_layer.hpp"
#include "plugins/calls.hpp"
#include "plugins/layer_instance.hpp"
#include "plugins/options.hpp"
#include "soma/graph.hpp"
#include "soma/layers.hpp"
#include "soma/sdk/export.hpp"

namespace soma {
namespace {

/// The host's side of a composition: what the functions of soma_composer work on.
class Composition {
 public:
  Composition(GraphBuilder& builder, std::span<const Value> inputs)
      : builder_(builder), values_(inputs.begin(), inputs.end()) {
    table_ = plugins::headed<soma_composer>();
    table_.graph = this;
    table_.shape = [](void* self, std::int32_t value, soma_tensor* tensor, soma_text* why) {
      return sdk::guarded(why, [&] { *tensor = from(self).tensor(value); });
    };
    table_.layer = [](void* self, const char* type, const char* name, const soma_attribute* fields,
                      std::int32_t field_count, const std::int32_t* inputs,
                      std::int32_t input_count, std::int32_t* output, soma_text* why) {
      return sdk::guarded(why, [&] {
        *output = from(self).layer(type, name == nullptr ? "" : name,
                                   std::span(fields, static_cast<std::size_t>(field_count)),
                                   std::span(inputs, static_cast<std::size_t>(input_count)));
      });
    };
    table_.parameter = [](void* self, const soma_parameter* parameter, std::int32_t* value,
                          soma_text* why) {
      return sdk::guarded(why, [&] { *value = from(self).parameter(*parameter); });
    };
  }
  Composition(const Composition&) = delete;
  Composition& operator=(const Composition&) = delete;

  const soma_composer* table() const noexcept { return &table_; }
  const Value& value(std::int32_t number) const {
    if (number < 0 || static_cast<std::size_t>(number) >= values_.size())
      throw ShapeError("there is no value number " + std::to_string(number));
    return values_[static_cast<std::size_t>(number)];
  }

 private:
  static Composition& from(void* self) { return *static_cast<Composition*>(self); }

  std::int32_t add(Value value) {
    values_.push_back(std::move(value));
    return static_cast<std::int32_t>(values_.size()) - 1;
  }
  soma_tensor tensor(std::int32_t number) const {
    const auto id = static_cast<std::size_t>(value(number).id);
    return plugins::abi_tensor(builder_.graph().values[id].info);
  }
  std::int32_t layer(const char* type, const std::string& name,
                     std::span<const soma_attribute> fields, std::span<const std::int32_t> inputs) {
    if (name.find_first_of("./ \t\n") != std::string::npos)
      throw ShapeError("a layer's name has no dots, slashes and blanks, got '" + name + "'");
    Attributes attributes;
    for (const soma_attribute& a : fields) {
      if (a.kind == SOMA_INTEGER) attributes.set(a.name, a.integer);
      if (a.kind == SOMA_REAL) attributes.set(a.name, a.real);
      if (a.kind == SOMA_STRING) attributes.set(a.name, std::string(a.text));
    }
    std::vector<Value> operands;
    for (const std::int32_t input : inputs) operands.push_back(value(input));
    const auto made = make_layer(type, attributes);
    std::string before = builder_.enter_scope(name);
    const Value output = made->build(builder_, operands);
    builder_.leave_scope(std::move(before));
    return add(output);
  }
  std::int32_t parameter(const soma_parameter& p) {
    const Shape shape(std::span(p.tensor.dims, static_cast<std::size_t>(p.tensor.rank)));
    return add(builder_.parameter(p.name, shape, init_from_name(p.init), p.fan_in, p.fan_out));
  }

  GraphBuilder& builder_;
  std::vector<Value> values_;
  soma_composer table_;
};

}  // namespace

Value compose(const soma_layer& table, const Attributes& fields, GraphBuilder& graph,
              std::span<const Value> inputs) {
  const plugins::OptionValues options(plugins::options_of(table), fields);
  Composition composition(graph, inputs);
  std::vector<std::int32_t> numbers;
  for (std::size_t i = 0; i < inputs.size(); ++i) numbers.push_back(static_cast<std::int32_t>(i));
  std::int32_t output = -1;
  plugins::Text why;
  const soma_status status =
      table.compose(options.data(), composition.table(), numbers.data(),
                    static_cast<std::int32_t>(numbers.size()), &output, why.get());
  if (status != SOMA_OK) plugins::rethrow(status, std::string(table.name) + ": " + why.str());
  return composition.value(output);
}

}  // namespace soma
