#pragma once

#include <string>
#include <utility>
#include <vector>

#include "soma/graph.hpp"
#include "soma/model.hpp"

namespace soma {

struct Model::State {
  struct Entry {
    std::string name;
    std::unique_ptr<Layer> layer;
    std::vector<std::string> inputs;  // empty never; names of layers and model inputs
    std::vector<std::pair<std::string, std::string>> ties = {};  // "weight" -> "embed.table"
  };
  std::string name;
  std::vector<ModelInput> inputs;
  std::vector<Entry> layers;
  std::vector<std::string> outputs;  // layers; empty for the last one
  std::vector<OutputLoss> losses;    // output "" for the first one
  std::vector<Parameter> parameters;
  bool initialized = false;
  RecordFormat format;

  // The graph for one sample, kept while layers are added so that each is checked at once.
  Graph probe;
  std::vector<Value> values;        // of each layer's output, in `probe`
  Shape first_input, first_output;  // of one sample

  /// Indices into `layers` of the outputs; of the input itself, as -1, before there is a layer.
  std::vector<int> output_layers() const;
};

/// The model's graph for a batch size and purpose, up to its outputs; with the behaviour that goes
/// with the purpose, or another.
Graph build_graph(const Model::State& model, std::int64_t batch, Purpose purpose);
Graph build_graph(const Model::State& model, std::int64_t batch, Purpose purpose,
                  Behaviour behaviour);

/// Throws ShapeError unless a further "layer" or "input" of the model can have that name:
/// parameters and files are named after them.
void check_name(const Model::State& model, const std::string& what, const std::string& name);

/// Appends the model's losses and what its layers add to them to its graph.
void append_losses(Graph& graph, const Model& model, Purpose purpose);

}  // namespace soma
