#include "soma/memory_plan.hpp"

#include "graph/gradients.hpp"
#include "graph/rewrites.hpp"
#include "model/state.hpp"
#include "program/program.hpp"

namespace soma {

MemoryPlan training_memory(const Model& model, const Backend& backend, std::int64_t batch,
                           const Optimizer& optimizer) {
  Graph graph = build_graph(model.state(), batch, Purpose::train);
  fuse_epilogues(graph, Purpose::train, [&](const Op& op) { return backend.supports(op); });
  append_losses(graph, model, Purpose::train);
  append_backward(graph);
  append_update(graph, optimizer, {});
  mask_before_pooling(graph);
  remove_dead_nodes(graph);
  postpone_gradients(graph);
  const Program program(std::move(graph), backend, {});  // never run
  return {program.arena_bytes(), program.ideal_bytes(), program.pack_bytes()};
}

}  // namespace soma
