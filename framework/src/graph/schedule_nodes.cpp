#include <algorithm>
#include <iterator>
#include <numeric>

#include "graph/rewrites.hpp"

namespace soma {
namespace {

std::size_t at(int v) { return static_cast<std::size_t>(v); }

void number_outputs(Graph& graph) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (const int v : graph.nodes[n].outputs) graph.values[at(v)].index = static_cast<int>(n);
  }
}

std::int64_t bytes(const Graph& graph, const std::vector<int>& values) {
  std::int64_t sum = 0;
  for (const int v : values) {
    const TensorInfo& info = graph.values[at(v)].info;
    sum += info.shape.elements() * static_cast<std::int64_t>(size_bytes(info.dtype));
  }
  return sum;
}

}  // namespace

void remove_dead_nodes(Graph& graph) {
  std::vector<bool> used(graph.values.size(), false);
  const auto use = [&](int v) {
    if (v >= 0) used[at(graph.root(v))] = true;
  };
  for (const int v : graph.outputs) use(v);
  for (const Graph::LossInfo& loss : graph.losses) {
    use(loss.value);
    use(loss.probabilities);
  }
  for (const Graph::PenaltyInfo& penalty : graph.penalties) {
    use(penalty.value);
    // Before append_penalties its value still is to come.
    for (const int v : penalty.of) use(v);
  }
  // What lives on from one run to the next.
  for (const auto& value : graph.values) {
    if (value.view_of >= 0 && value.source == Graph::Source::node) continue;
    const bool lasts =
        value.source == Graph::Source::parameter || value.source == Graph::Source::state;
    if (lasts) used[static_cast<std::size_t>(&value - graph.values.data())] = true;
  }
  std::vector<Graph::Node> alive;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    Graph::Node& node = graph.nodes[n];
    const auto is_used = [&](int v) { return used[at(graph.root(v))]; };
    if (std::ranges::none_of(node.outputs, is_used)) continue;
    for (const int v : node.inputs) use(v);
    alive.push_back(std::move(node));
  }
  std::ranges::reverse(alive);
  graph.nodes = std::move(alive);
  number_outputs(graph);
}

void hasten_updates(Graph& graph) {
  // Per value and per node, the place of the last node it must follow; -1 for none.
  std::vector<int> written(graph.values.size(), -1), touched(graph.values.size(), -1);
  std::vector<int> place(graph.nodes.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Graph::Node& node = graph.nodes[n];
    int after = -1;
    for (const int v : node.inputs) after = std::max(after, written[at(graph.root(v))]);
    for (const int v : node.outputs) after = std::max(after, touched[at(graph.root(v))]);
    place[n] = node.phase == Graph::Phase::update ? after : static_cast<int>(n);
    for (const int v : node.inputs) {
      int& last = touched[at(graph.root(v))];
      last = std::max(last, place[n]);
    }
    for (const int v : node.outputs) {
      written[at(graph.root(v))] = place[n];
      touched[at(graph.root(v))] = std::max(touched[at(graph.root(v))], place[n]);
    }
  }
  std::vector<int> order(graph.nodes.size());
  std::iota(order.begin(), order.end(), 0);
  // Updates come after the nodes of the earlier phases, so that a stable sort keeps them behind
  // the one they follow.
  std::ranges::stable_sort(order, {}, [&](int n) { return place[at(n)]; });
  std::vector<Graph::Node> nodes;
  for (const int n : order) nodes.push_back(std::move(graph.nodes[at(n)]));
  graph.nodes = std::move(nodes);
  number_outputs(graph);
}

void postpone_gradients(Graph& graph) {
  // The last nodes but updates that read and write each value.
  std::vector<int> read(graph.values.size(), -1), written(graph.values.size(), -1);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Graph::Node& node = graph.nodes[n];
    if (node.phase == Graph::Phase::update) continue;
    for (const int v : node.inputs) read[at(graph.root(v))] = static_cast<int>(n);
    for (const int v : node.outputs) written[at(graph.root(v))] = static_cast<int>(n);
  }
  std::vector<bool> last(graph.nodes.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Graph::Node& node = graph.nodes[n];
    const auto here = static_cast<int>(n);
    const auto for_updates = [&](int v) {
      return read[at(graph.root(v))] < 0 && written[at(graph.root(v))] == here;
    };
    const auto stays = [&](int v) { return written[at(graph.root(v))] < here; };
    last[n] = node.phase == Graph::Phase::backward &&
              bytes(graph, node.outputs) > bytes(graph, node.inputs) &&
              std::ranges::all_of(node.outputs, for_updates) &&
              std::ranges::all_of(node.inputs, stays);
  }
  std::vector<Graph::Node> before, behind, updates;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Graph::Node& node = graph.nodes[n];
    auto& list = node.phase == Graph::Phase::update ? updates : last[n] ? behind : before;
    list.push_back(std::move(node));
  }
  graph.nodes = std::move(before);
  for (auto* list : {&behind, &updates}) std::ranges::move(*list, std::back_inserter(graph.nodes));
  number_outputs(graph);
}

}  // namespace soma
