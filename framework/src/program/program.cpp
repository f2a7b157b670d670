#include "program/program.hpp"

#include <algorithm>
#include <functional>
#include <span>

#include "plugins/fp_environment.hpp"
#include "soma/sdk/ops/activation.hpp"

namespace soma {
namespace {

std::size_t rounded(std::size_t size) { return (size + 63) / 64 * 64; }

std::size_t size_of(const TensorInfo& info) {
  return static_cast<std::size_t>(info.shape.elements()) * size_bytes(info.dtype);
}

/// Which input an op may overwrite with its output; -1 for none. Stated in the contracts of the op
/// families.
int in_place_input(const Op& op) {
  const std::string_view family = op.family();
  if (ops::is_activation_family(family)) return op.direction() == "fwd" ? 0 : 1;
  if (op.id == "activation/1.fwd") return 0;
  if (family == "prelu/1") return op.direction() == "fwd" ? 0 : 2;
  const bool norm = family == "batch_norm/1" || family == "group_norm/1" ||
                    family == "layer_norm/1" || family == "rms_norm/1";
  if (norm) return op.direction() == "fwd" ? 0 : static_cast<int>(op.inputs.size()) - 1;
  const bool first = family == "add/1" || family == "multiply/1" || family == "subtract/1" ||
                     family == "scale/1" || family == "dropout/1" || family == "penalty/1" ||
                     family == "gaussian_sample/1" || family == "clip_gradient/1" ||
                     family == "clip_by_norm/1" || op.id == "broadcast_add/1.fwd" ||
                     op.id == "broadcast_multiply/1.fwd";
  return first ? 0 : -1;
}

}  // namespace

Program::Program(Graph graph, Backend backend, Storage storage)
    : graph_(std::move(graph)), backend_(std::move(backend)), storage_(storage) {
  prepare_kernels();
  const auto in_update = [&](const Step& step) {
    return graph_.nodes[static_cast<std::size_t>(step.node)].phase == Graph::Phase::update;
  };
  interleaved_ = !std::ranges::is_partitioned(steps_, std::not_fn(in_update));
  update_begin_ =
      static_cast<std::size_t>(std::ranges::find_if(steps_, in_update) - steps_.begin());
  place();
}

void Program::prepare_kernels() {
  std::string unsupported;
  for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
    const Graph::Node& node = graph_.nodes[n];
    if (node.op.id == "view") continue;
    Step step{.node = static_cast<int>(n)};
    if (!node.plugin.empty()) {
      step.plugin = make_plugin_step(node);
    } else {
      try {
        step.kernel = backend_.prepare(node.op);
      } catch (const UnsupportedError& e) {
        unsupported += std::string(unsupported.empty() ? "" : "; ") + e.what();
        continue;
      }
      const Kernel::Info& info = step.kernel.info();
      for (std::size_t i = 0; i < node.inputs.size() && info.pack_bytes > 0; ++i) {
        if ((info.packed_inputs >> i & 1) == 0) continue;
        const auto& value = graph_.values[static_cast<std::size_t>(graph_.root(node.inputs[i]))];
        if (value.source == Graph::Source::parameter) {
          step.packed_parameters.push_back(value.index);
        } else {
          step.pack_each_run = true;
        }
      }
      if (!step.pack_each_run) step.pack = AlignedBytes(info.pack_bytes);
      step.packed_versions.assign(step.packed_parameters.size(), 0);
    }
    step.first_input = input_count_;
    step.first_output = output_count_;
    input_count_ += node.inputs.size();
    output_count_ += node.outputs.size();
    steps_.push_back(std::move(step));
  }
  if (!unsupported.empty()) {
    throw UnsupportedError("backend '" + backend_.name() +
                           "' cannot run this model: " + unsupported);
  }
}

void Program::place() {
  const int last_step = static_cast<int>(steps_.size()) - 1;
  const std::size_t count = graph_.values.size();
  place_of_.assign(count, -1);
  std::vector<int> first(count, -1), last(count, -1);
  std::vector<bool> planned(count, false);
  for (std::size_t v = 0; v < count; ++v) {
    const Graph::Source source = graph_.values[v].source;
    planned[v] = graph_.values[v].view_of < 0 && source != Graph::Source::parameter &&
                 source != Graph::Source::state;
    // Leaves are written by the caller before the first step; constants and scalars stay for every
    // run.
    if (planned[v] && source != Graph::Source::node) first[v] = 0;
    if (source == Graph::Source::constant || source == Graph::Source::scalars ||
        source == Graph::Source::random) {
      last[v] = last_step;
    }
  }
  const auto use = [&](int value, int step) {
    const auto root = static_cast<std::size_t>(graph_.root(value));
    if (first[root] < 0) first[root] = step;
    last[root] = std::max(last[root], step);
  };
  for (int s = 0; s <= last_step; ++s) {
    const Graph::Node& node =
        graph_.nodes[static_cast<std::size_t>(steps_[static_cast<std::size_t>(s)].node)];
    for (const int v : node.inputs) use(v, s);
    for (const int v : node.outputs) use(v, s);
  }
  // What the caller writes is there from the first step, what he reads until after the last.
  for (const int v : graph_.inputs) use(v, 0);
  for (const int v : graph_.outputs) use(v, last_step + 1);
  for (const Graph::LossInfo& loss : graph_.losses) {
    use(loss.targets, 0);
    use(loss.value, last_step + 1);
    if (loss.probabilities >= 0) use(loss.probabilities, last_step + 1);
  }
  for (const Graph::PenaltyInfo& penalty : graph_.penalties) {
    if (penalty.value >= 0) use(penalty.value, last_step + 1);
  }

  // In place: an output takes over the block of an input that nobody needs any more.
  std::vector<int> host(count);
  for (std::size_t v = 0; v < count; ++v) host[v] = graph_.root(static_cast<int>(v));
  const auto owner = [&](int v) {
    v = graph_.root(v);
    while (host[static_cast<std::size_t>(v)] != v) v = host[static_cast<std::size_t>(v)];
    return v;
  };
  for (int s = 0; s <= last_step; ++s) {
    const Graph::Node& node =
        graph_.nodes[static_cast<std::size_t>(steps_[static_cast<std::size_t>(s)].node)];
    const int which = in_place_input(node.op);
    if (which < 0) continue;
    const int from = owner(node.inputs[static_cast<std::size_t>(which)]);
    const int to = node.outputs[0];
    const auto f = static_cast<std::size_t>(from), t = static_cast<std::size_t>(to);
    if (graph_.values[f].source != Graph::Source::node || !planned[t] || last[f] != s) continue;
    const auto same = [&](int v) { return owner(v) == from; };
    if (std::ranges::count_if(node.inputs, same) != 1) continue;  // x + x keeps x whole
    host[t] = from;
    last[f] = last[t];
  }

  std::vector<int> block_of(count, -1);
  for (std::size_t v = 0; v < count; ++v) {
    if (!planned[v] || first[v] < 0) continue;
    const auto o = static_cast<std::size_t>(owner(static_cast<int>(v)));
    if (block_of[o] < 0) {
      block_of[o] = static_cast<int>(blocks_.size());
      blocks_.push_back({size_of(graph_.values[o].info), first[o], last[o]});
    }
    place_of_[v] = block_of[o];
  }
  for (std::size_t v = 0; v < count; ++v) {
    place_of_[v] = place_of_[static_cast<std::size_t>(graph_.root(static_cast<int>(v)))];
  }
  for (int s = 0; s <= last_step; ++s) {
    Step& step = steps_[static_cast<std::size_t>(s)];
    const std::size_t bytes = workspace_bytes(step);
    if (bytes == 0) continue;
    step.workspace = static_cast<int>(blocks_.size());
    blocks_.push_back({bytes, s, s});
  }
  arena_bytes_ = plan_memory(blocks_);
}

std::size_t Program::workspace_bytes(const Step& step) const {
  if (step.plugin) return step.plugin->workspace_bytes();
  const Kernel::Info& info = step.kernel.info();
  // A pack of each run lies behind the workspace.
  return step.pack_each_run ? rounded(info.workspace_bytes) + info.pack_bytes
                            : info.workspace_bytes;
}

std::byte* Program::address(const Instance& instance, int value) const {
  if (value < 0) return nullptr;
  const auto& info = graph_.values[static_cast<std::size_t>(graph_.root(value))];
  const auto index = static_cast<std::size_t>(info.index);
  if (info.source == Graph::Source::parameter) return (*storage_.parameters)[index].value.data();
  if (info.source == Graph::Source::state) {
    OptimizerState& state = *storage_.optimizer;
    if (info.slot == kGradientSum) return state.sums[index].data();
    return state.slots[index][static_cast<std::size_t>(info.slot)].data();
  }
  const int block = place_of_[static_cast<std::size_t>(value)];
  return block < 0 ? nullptr
                   : instance.arena_.data() + blocks_[static_cast<std::size_t>(block)].offset;
}

Program::Instance Program::make_instance() const {
  Instance instance;
  instance.arena_ = AlignedBytes(arena_bytes_);
  for (const Step& step : steps_) {
    const Graph::Node& node = graph_.nodes[static_cast<std::size_t>(step.node)];
    for (const int v : node.inputs) instance.inputs_.push_back(address(instance, v));
    for (const int v : node.outputs) instance.outputs_.push_back(address(instance, v));
  }
  for (const Step& step : steps_) instance.buffers_.push_back(buffers(step, instance));
  for (std::size_t v = 0; v < graph_.values.size(); ++v) {
    const auto& info = graph_.values[v];
    std::byte* at = address(instance, static_cast<int>(v));
    if (info.source == Graph::Source::constant && at != nullptr) {
      auto* to = reinterpret_cast<float*>(at);
      std::fill_n(to, info.info.shape.elements(), info.fill);
      std::ranges::copy(info.data, to);
    }
    if (info.source == Graph::Source::scalars) instance.scalars_[info.index] = at;
    if (info.source == Graph::Source::random) instance.random_ = at;
  }
  const auto floats = [&](int value) {
    return reinterpret_cast<const float*>(address(instance, value));
  };
  for (const int v : graph_.inputs) instance.graph_inputs_.push_back(address(instance, v));
  for (const int v : graph_.outputs) instance.graph_outputs_.push_back(floats(v));
  for (const Graph::LossInfo& loss : graph_.losses) {
    instance.losses_.push_back({address(instance, loss.targets), floats(loss.value),
                                floats(loss.probabilities), static_cast<float>(loss.weight)});
  }
  for (const Graph::PenaltyInfo& penalty : graph_.penalties) {
    if (penalty.value < 0) continue;
    instance.penalties_.push_back({floats(penalty.value), static_cast<float>(penalty.weight)});
  }
  return instance;
}

float Program::Instance::loss() const noexcept {
  float sum = losses_[0].weight * *losses_[0].value;
  for (const LossPlace& loss : std::span(losses_).subspan(1)) sum += loss.weight * *loss.value;
  for (const PenaltyPlace& penalty : penalties_) sum += penalty.weight * *penalty.value;
  return sum;
}

Kernel::Buffers Program::buffers(const Step& step, const Instance& instance) const {
  std::byte* workspace =
      step.workspace < 0
          ? nullptr
          : instance.arena_.data() + blocks_[static_cast<std::size_t>(step.workspace)].offset;
  const void* pack = step.pack_each_run ? workspace + rounded(step.kernel.info().workspace_bytes)
                                        : step.pack.data();
  return {instance.inputs_.data() + step.first_input, instance.outputs_.data() + step.first_output,
          workspace, pack};
}

void Program::refresh_packs(int threads, Timeline* timeline) {
  for (Step& step : steps_) {
    if (step.pack.size() == 0) continue;
    bool stale = false;
    for (std::size_t i = 0; i < step.packed_parameters.size(); ++i) {
      const auto parameter = static_cast<std::size_t>(step.packed_parameters[i]);
      const std::uint64_t version = (*storage_.parameters)[parameter].version;
      stale |= step.packed_versions[i] != version;
      step.packed_versions[i] = version;
    }
    if (!stale) continue;
    const Graph::Node& node = graph_.nodes[static_cast<std::size_t>(step.node)];
    const void* inputs[32] = {};
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const auto& value = graph_.values[static_cast<std::size_t>(graph_.root(node.inputs[i]))];
      if (value.source == Graph::Source::parameter) {
        inputs[i] = (*storage_.parameters)[static_cast<std::size_t>(value.index)].value.data();
      }
    }
    const auto begin = timeline != nullptr ? Timeline::Clock::now() : Timeline::Clock::time_point();
    step.kernel.pack({.inputs = inputs}, step.pack.data(), threads);
    if (timeline != nullptr) timeline->packed(node, begin);
  }
}

void Program::run_step(const Step& step, const Kernel::Buffers& buffers, int threads) const {
  if (step.plugin) {
    const plugins::CanonicalFp fp;
    step.plugin->run({buffers.inputs, buffers.outputs, buffers.workspace, &backend_, threads});
    return;
  }
  if (step.pack_each_run) step.kernel.pack(buffers, const_cast<void*>(buffers.pack), threads);
  step.kernel.execute(buffers, threads);
}

void Program::run(Instance& instance, int threads, Timeline* timeline, Observer* observer,
                  Part part) const {
  if (part != Part::all && interleaved_) {
    throw StateError("program: updates that run between the gradients cannot run apart from them");
  }
  const std::size_t first = part == Part::update ? update_begin_ : 0;
  const std::size_t last = part == Part::gradients ? update_begin_ : steps_.size();
  if (timeline == nullptr && observer == nullptr) {
    for (std::size_t s = first; s < last; ++s) run_step(steps_[s], instance.buffers_[s], threads);
    return;
  }
  for (std::size_t s = first; s < last; ++s) {
    const Step& step = steps_[s];
    const Kernel::Buffers& buffers = instance.buffers_[s];
    if (observer != nullptr) observer->before(step.node, buffers.inputs);
    const auto begin = Timeline::Clock::now();
    run_step(step, buffers, threads);
    if (timeline != nullptr) {
      timeline->ran(graph_.nodes[static_cast<std::size_t>(step.node)], begin);
    }
    if (observer != nullptr) observer->after(step.node, buffers.outputs);
  }
}

std::size_t Program::pack_bytes() const noexcept {
  std::size_t bytes = 0;
  for (const Step& step : steps_) bytes += step.pack.size();
  return bytes;
}

std::vector<Program::Report> Program::report() const {
  std::vector<Report> reports;
  for (const Step& step : steps_) {
    const Graph::Node* node = &graph_.nodes[static_cast<std::size_t>(step.node)];
    if (step.plugin) {
      reports.push_back({node, "plugin:" + node->plugin, Exactness::exact});
    } else {
      reports.push_back({node, step.kernel.info().implementation, step.kernel.info().exactness});
    }
  }
  return reports;
}

}  // namespace soma
