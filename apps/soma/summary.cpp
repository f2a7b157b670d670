#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "memory.hpp"
#include "recipes.hpp"
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

nlohmann::ordered_json memory_json(const MemoryNeeds& m, const std::string& optimizer) {
  nlohmann::ordered_json out = {{"batch", m.batch},
                                {"optimizer", optimizer},
                                {"inference_batch", m.inference_batch},
                                {"inference_bytes", m.training.parameters + m.inference},
                                {"training",
                                 {{"parameters", m.training.parameters},
                                  {"gradients", m.training.gradients},
                                  {"optimizer", m.training.optimizer},
                                  {"activations", m.training.step - m.training.gradients},
                                  {"evaluation", m.training.evaluation},
                                  {"batches", m.training.batches}}},
                                {"training_bytes", m.training_total},
                                {"process", nullptr}};
  if (m.process) {
    out["process"] = {{"own", m.process->own},
                      {"data", m.process->data},
                      {"checkpoint", m.process->checkpoint},
                      {"loading_peak", m.process->loading},
                      {"predicted_peak", m.process->peak}};
  }
  return out;
}

void print_memory(const MemoryNeeds& m, const std::string& optimizer) {
  using enum Table::Align;
  Table table({{"memory"},
               {"inference, batch " + std::to_string(m.inference_batch), right},
               {"training, batch " + std::to_string(m.batch) + ", " + optimizer, right}});
  const soma::Trainer::MemoryPlan& t = m.training;
  table.add({"parameters", bytes_text(t.parameters), bytes_text(t.parameters)});
  table.add({"gradients", "", bytes_text(t.gradients)});
  table.add({"optimizer state", "", bytes_text(t.optimizer)});
  table.add({"activations, workspaces", bytes_text(m.inference), bytes_text(t.step - t.gradients)});
  if (t.evaluation > 0) table.add({"evaluation", "", bytes_text(t.evaluation)});
  table.add({"batches read ahead", "", bytes_text(t.batches)});
  table.add({"total", bytes_text(t.parameters + m.inference), bytes_text(m.training_total)});
  if (m.process) {
    table.add({"data set", "", bytes_text(m.process->data)});
    table.add({"program and kernels", "", bytes_text(m.process->own)});
    table.add({"checkpoint being written", "", bytes_text(m.process->checkpoint)});
    table.add({"predicted peak", "", bytes_text(m.process->peak)});
  }
  std::cout << "\n";
  table.print(std::cout);
}

}  // namespace

int run_summary(Arguments args) {
  std::string source, spec, optimizer, backend_name = "auto";
  std::optional<std::int64_t> batch;
  bool json = false;
  CommandLine line(
      "summary", "MODEL|RUN|FILE [options]",
      "The layers of a model: a built-in name, a JSON file, a run folder or a .safetensors file.\n"
      "MACs are the multiply-adds of one forward pass. Memory is what the plans of training and "
      "prediction\nsay; with --data, what soma train will have resident at most.");
  line.positional("MODEL", &source)
      .option("batch", &batch, "B", "samples at a time (default 1; of a training step: by model)")
      .option("data", &spec, "SPEC", "the data that training will hold in memory")
      .option("optimizer", &optimizer, "NAME", "whose state training keeps (default: by model)")
      .option("backend", &backend_name, "NAME", "whose kernels are planned for (default auto)")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("batch", batch, 1);
  const std::int64_t n = batch.value_or(1);

  // Without a backend there are layers to show all the same.
  const bool must_plan = !spec.empty() || line.given("backend");
  soma::Backend backend;
  std::optional<MemoryNeeds> memory;
  const auto attempt = [&](const auto& plan) {
    try {
      plan();
    } catch (const soma::Error& e) {
      if (must_plan) throw;
      std::cerr << "soma: no memory plan: " << e.what() << "\n";
    }
  };
  std::optional<MeasuredData> data;
  if (!spec.empty()) data.emplace(spec);
  const bool is_built_in = std::ranges::count(soma::Model::builtin_names(), source) > 0;
  soma::Model model =
      is_built_in && data ? soma::Model::named(source, data->split.train) : any_model(source);
  if (data) require_fit(model, data->split.train);
  attempt([&] { backend = open_backend(backend_name, soma::Numerics::fast); });
  const Recipe& recipe = recipe_for(model.name());
  if (optimizer.empty()) optimizer = recipe.optimizer;
  attempt([&] {
    if (!backend) return;
    memory = memory_needs(model, backend, optimizer_named(optimizer, {}),
                          batch.value_or(recipe.batch), n, data ? &*data : nullptr);
  });
  if (!model.initialized()) model.initialize(1);
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
  std::int64_t buffers = 0;
  for (const soma::Parameter& p : model.parameters()) {
    if (!p.trainable) buffers += p.value.elements();
  }
  constexpr std::int64_t kBytesOfFloat = 4;
  if (json) {
    nlohmann::ordered_json out = {{"model", model.name()},
                                  {"loss", name_of(model.loss())},
                                  {"batch", n},
                                  {"input", dims_of(model.input_shape().batched(n))},
                                  {"output", dims_of(model.output_shape().batched(n))},
                                  {"inputs", inputs_json(model, n)},
                                  {"outputs", outputs_json(model, n)},
                                  {"layers", layers},
                                  {"parameters", parameters},
                                  {"parameter_bytes", parameters * kBytesOfFloat},
                                  {"macs", macs},
                                  {"buffers", buffers},
                                  {"memory", nullptr}};
    if (memory) out["memory"] = memory_json(*memory, optimizer);
    std::cout << out.dump() << "\n";
    return 0;
  }
  std::cout << heading(model, n) << "\n\n";
  table.add({"total", "", "", "", grouped(parameters), grouped(macs)});
  table.print(std::cout);
  std::cout << "\n" << grouped(parameters) << " trainable parameters";
  if (buffers > 0) std::cout << ", " << grouped(buffers) << " running statistics";
  std::cout << ", " << grouped(parameters * kBytesOfFloat) << " bytes of parameters\n";
  if (memory) print_memory(*memory, optimizer);
  return 0;
}
