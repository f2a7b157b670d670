#include <algorithm>
#include <string>

#include "plugins/options.hpp"
#include "program/plugin_step.hpp"
#include "soma/error.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/sums.hpp"

namespace soma {
namespace {

constexpr std::int64_t kGrainElements = 4096;

/// The attributes of the op are the loss's own options and "reduction".
class LossStep : public PluginStep {
 public:
  explicit LossStep(const Graph::Node& node)
      : table_(*find_loss_plugin(node.plugin)),
        options_(plugins::options_of(table_), node.op.attributes),
        items_(node.op.in(0)[0]),
        width_(node.op.in(0)[1]),
        mean_(node.op.attributes.text("reduction", "mean") == "mean") {}

 protected:
  /// Calls body(first, items) on pieces of the items.
  void pieces(const Run& run, auto body) const {
    if (table_.target == SOMA_CLASSES) check_classes(static_cast<const int*>(run.inputs[1]));
    run.each(items_, std::max<std::int64_t>(1, kGrainElements / std::max<std::int64_t>(1, width_)),
             [&](std::int64_t begin, std::int64_t end) { body(begin, end - begin); });
  }
  const float* output(const Run& run, std::int64_t item) const {
    return static_cast<const float*>(run.inputs[0]) + item * width_;
  }
  /// Both kinds of targets have four bytes.
  const void* target(const Run& run, std::int64_t item) const {
    const auto* bytes = static_cast<const std::byte*>(run.inputs[1]);
    return bytes + (table_.target == SOMA_CLASSES ? item : item * width_) * 4;
  }

  const soma_loss& table_;
  plugins::OptionValues options_;
  std::int64_t items_, width_;
  bool mean_;

 private:
  void check_classes(const std::int32_t* classes) const {
    const auto* bad = std::find_if(classes, classes + items_,
                                   [&](std::int32_t c) { return c < 0 || c >= width_; });
    if (bad == classes + items_) return;
    throw ShapeError(std::string(table_.name) + ": target " + std::to_string(*bad) + " of item " +
                     std::to_string(bad - classes) + " is not one of " + std::to_string(width_) +
                     " classes");
  }
};

class LossForward final : public LossStep {
 public:
  explicit LossForward(const Graph::Node& node) : LossStep(node) {
    workspace_bytes_ = static_cast<std::size_t>(items_) * sizeof(float);
  }
  void run(const Run& run) const override {
    auto* values = static_cast<float*>(run.workspace);
    pieces(run, [&](std::int64_t first, std::int64_t items) {
      table_.value_f32(options_.data(), output(run, first), target(run, first), items, width_,
                       values + first);
    });
    const float total = sdk::sum<float>(items_, [&](std::int64_t i) { return values[i]; });
    *static_cast<float*>(run.outputs[0]) = items_ == 0 ? 0.0f
                                           : mean_     ? total / static_cast<float>(items_)
                                                       : total;
  }
};

class LossBackward final : public LossStep {
 public:
  using LossStep::LossStep;
  void run(const Run& run) const override {
    float scale = *static_cast<const float*>(run.inputs[2]);
    if (mean_) scale /= static_cast<float>(items_);
    auto* gradient = static_cast<float*>(run.outputs[0]);
    pieces(run, [&](std::int64_t first, std::int64_t items) {
      table_.gradient_f32(options_.data(), output(run, first), target(run, first), items, width_,
                          scale, gradient + first * width_);
    });
  }
};

}  // namespace

std::unique_ptr<const PluginStep> loss_step(const Graph::Node& node) {
  if (node.op.direction() == "fwd") return std::make_unique<LossForward>(node);
  return std::make_unique<LossBackward>(node);
}

}  // namespace soma
