#pragma once

#include "soma/graph.hpp"
#include "soma/model.hpp"

namespace soma {

struct Model::State {
  struct Entry {
    std::string name;
    std::unique_ptr<Layer> layer;
    std::vector<std::string> inputs;  // empty never; "input" for the model's input
  };
  std::string name;
  Shape input, output;  // of one sample
  Loss loss = Loss::softmax_cross_entropy;
  std::vector<Entry> layers;
  std::vector<Parameter> parameters;
  bool initialized = false;

  // The graph for one sample, kept while layers are added so that each is checked at once.
  Graph probe;
  std::vector<Value> outputs;  // of each layer, in `probe`
};

/// The model's graph for a batch size and purpose, up to its output.
Graph build_graph(const Model::State& model, std::int64_t batch, Purpose purpose);

}  // namespace soma
