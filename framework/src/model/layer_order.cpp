#include "model/layer_order.hpp"

#include <algorithm>

namespace soma {
namespace {

/// A cycle among the layers that are not placed; each of them waits for another of them.
std::vector<std::size_t> find_cycle(const std::vector<std::vector<std::size_t>>& inputs,
                                    const std::vector<bool>& placed) {
  auto at = static_cast<std::size_t>(std::ranges::find(placed, false) - placed.begin());
  std::vector<std::size_t> walk;  // against the arrows, until it meets itself
  while (std::ranges::find(walk, at) == walk.end()) {
    walk.push_back(at);
    at = *std::ranges::find_if(inputs[at], [&](std::size_t from) { return !placed[from]; });
  }
  std::vector<std::size_t> cycle(std::ranges::find(walk, at), walk.end());
  std::ranges::reverse(cycle);
  std::ranges::rotate(cycle, std::ranges::min_element(cycle));
  return cycle;
}

}  // namespace

LayerOrder layer_order(const std::vector<std::vector<std::size_t>>& inputs) {
  LayerOrder result;
  std::vector<bool> placed(inputs.size(), false);
  while (result.order.size() < inputs.size()) {
    // The first layer whose inputs are all there: what is in order already stays as it is.
    std::size_t next = 0;
    const auto ready = [&](std::size_t i) {
      return !placed[i] &&
             std::ranges::all_of(inputs[i], [&](std::size_t from) { return placed[from]; });
    };
    while (next < inputs.size() && !ready(next)) ++next;
    if (next == inputs.size()) {
      result.order.clear();
      result.cycle = find_cycle(inputs, placed);
      return result;
    }
    placed[next] = true;
    result.order.push_back(next);
  }
  return result;
}

}  // namespace soma
