#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "session.hpp"
#include "table.hpp"

namespace {

std::vector<std::int64_t> dims_of(const soma::Shape& shape) {
  return {shape.dims().begin(), shape.dims().end()};
}

nlohmann::ordered_json inputs_json(const soma::Model& model, std::int64_t n) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& input : model.inputs()) {
    list.push_back({{"name", input.name},
                    {"shape", dims_of(input.shape.batched(n))},
                    {"type", name_of(input.type)}});
  }
  return list;
}

nlohmann::ordered_json outputs_json(const soma::Model& model, std::int64_t n) {
  auto list = nlohmann::ordered_json::array();
  const auto losses = model.losses();
  for (const auto& output : model.outputs()) {
    nlohmann::ordered_json one = {
        {"name", output.name}, {"shape", dims_of(output.shape.batched(n))}, {"loss", nullptr}};
    for (const auto& on : losses) {
      if (on.output != output.name) continue;
      one["loss"] = name_of(on.loss);
      one["weight"] = on.weight;
    }
    list.push_back(one);
  }
  return list;
}

/// "lenet5: input [1,28,28,1], loss softmax_cross_entropy"; all of them, by name, where there are
/// several.
std::string heading(const soma::Model& model, std::int64_t n) {
  const auto inputs = model.inputs();
  std::string text = model.name();
  const char* separator = inputs.size() == 1 ? ": input " : ": inputs ";
  for (const auto& input : inputs) {
    text += separator + (inputs.size() == 1 ? "" : input.name + " ") + input.shape.batched(n).str();
    if (input.type != soma::DType::f32) text += std::string(" ") + name_of(input.type);
    separator = ", ";
  }
  const auto outputs = model.outputs();
  const auto losses = model.losses();
  if (outputs.size() == 1 && losses[0].weight == 1) return text + ", loss " + name_of(model.loss());
  for (const auto& output : outputs) {
    text += (&output == outputs.data() ? "; outputs " : ", ") + output.name;
    for (const auto& on : losses) {
      if (on.output == output.name) {
        text += " (" + std::to_string(on.weight) + " * " + name_of(on.loss) + ")";
      }
    }
  }
  return text;
}

}  // namespace

int run_summary(Arguments args) {
  std::string source;
  std::optional<std::int64_t> batch;
  bool json = false;
  CommandLine line("summary", "MODEL|RUN|FILE [options]",
                   "The layers of a model: a built-in name, a JSON file, a run folder or a "
                   ".safetensors file.\nMACs are the multiply-adds of one forward pass.");
  line.positional("MODEL", &source)
      .option("batch", &batch, "B", "samples at a time (default 1)")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("batch", batch, 1);
  const std::int64_t n = batch.value_or(1);

  const soma::Model model = any_model(source);
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  Table table({{"layer"},
               {"type"},
               {"input from"},
               {"output"},
               {"parameters", Table::Align::right},
               {"MACs", Table::Align::right}});
  std::int64_t parameters = 0, macs = 0;
  std::string previous = model.inputs()[0].name;
  for (const auto& layer : model.layers()) {
    // A plain chain needs no words; what comes from further back is a skip connection.
    std::string inputs;
    for (const std::string& input : layer.inputs) {
      inputs += (inputs.empty() ? "" : ", ") + input + (input == previous ? "" : " (skip)");
    }
    for (const auto& [parameter, target] : layer.ties) inputs += ", " + parameter + " = " + target;
    previous = layer.name;
    const soma::Shape output = layer.output.batched(n);
    table.add({layer.name, std::string(layer.layer->type()), inputs, output.str(),
               grouped(layer.parameters), grouped(layer.macs * n)});
    layers.push_back({{"name", layer.name},
                      {"type", layer.layer->type()},
                      {"inputs", layer.inputs},
                      {"ties", layer.ties},
                      {"output", dims_of(output)},
                      {"parameters", layer.parameters},
                      {"macs", layer.macs * n}});
    parameters += layer.parameters;
    macs += layer.macs * n;
  }
  constexpr std::int64_t kBytesOfFloat = 4;
  if (json) {
    const nlohmann::ordered_json out = {{"model", model.name()},
                                        {"loss", name_of(model.loss())},
                                        {"batch", n},
                                        {"input", dims_of(model.input_shape().batched(n))},
                                        {"output", dims_of(model.output_shape().batched(n))},
                                        {"inputs", inputs_json(model, n)},
                                        {"outputs", outputs_json(model, n)},
                                        {"layers", layers},
                                        {"parameters", parameters},
                                        {"parameter_bytes", parameters * kBytesOfFloat},
                                        {"macs", macs}};
    std::cout << out.dump() << "\n";
    return 0;
  }
  std::cout << heading(model, n) << "\n\n";
  table.add({"total", "", "", "", grouped(parameters), grouped(macs)});
  table.print(std::cout);
  std::cout << "\n" << grouped(parameters * kBytesOfFloat) << " bytes of parameters\n";
  return 0;
}
