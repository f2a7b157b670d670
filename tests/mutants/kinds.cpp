// Plugins of the other kinds. What they do stands in plugin_<kind>.cpp; they claim nothing, so the
// kind of numerics does not matter.
#include "mutant.hpp"

namespace mutants {
namespace {

Mutant plugin(Subject subject, const char* name, const char* fault_class, const char* op,
              const char* where, const char* level) {
  Mutant m{name, fault_class, op, where, level};
  m.subject = subject;
  return m;
}

constexpr const char *kActivationForward = "mutant_activation.fwd",
                     *kActivationBackward = "mutant_activation.bwd";
constexpr const char *kLossForward = "mutant_loss.fwd", *kLossBackward = "mutant_loss.bwd";
constexpr const char *kLayerForward = "mutant_layer.fwd", *kLayerBackward = "mutant_layer.bwd";
constexpr const char* kStep = "mutant_optimizer.step";

const Mutant kMutants[] = {
    plugin(Subject::activation, "activation_reads_behind", "memory of a plugin", kActivationForward,
           "one element behind its input", "C2"),
    plugin(Subject::loss, "loss_writes_behind", "memory of a plugin", kLossForward, "17 items",
           "C2"),
    plugin(Subject::layer, "layer_reads_behind", "memory of a plugin", kLayerForward,
           "one element behind its input", "C2"),
    plugin(Subject::layer, "layer_unwanted_gradient", "memory of a plugin", kLayerBackward,
           "a gradient that nobody wants is written", "C2"),
    plugin(Subject::optimizer, "optimizer_writes_behind", "memory of a plugin", kStep, "31 weights",
           "C2"),
    plugin(Subject::activation, "activation_reads_after_writing", "memory of a plugin",
           kActivationForward, "y in the place of x, 31 elements", "C2"),

    plugin(Subject::activation, "activation_float32", "float32 of a plugin", kActivationForward,
           "x above 3: another formula than in float64", "C3"),
    plugin(Subject::activation, "activation_nan", "float32 of a plugin", kActivationForward,
           "NaN gives 0", "C3"),
    plugin(Subject::loss, "loss_float32", "float32 of a plugin", kLossForward,
           "d above 2: another formula than in float64", "C3"),
    plugin(Subject::layer, "layer_float32", "float32 of a plugin", kLayerForward,
           "column 2: a ten-thousandth too large", "C3"),
    plugin(Subject::optimizer, "optimizer_decay_lost", "float32 of a plugin", kStep,
           "no decay in float32", "C4"),
    plugin(Subject::optimizer, "optimizer_slot_tail", "float32 of a plugin", kStep,
           "the last n mod 8 elements keep their old slot", "C4"),

    plugin(Subject::activation, "activation_wrong_derivative", "derivative of a plugin",
           kActivationBackward, "x below 0, in float64 too", "C4"),
    plugin(Subject::activation, "activation_gradient_of_neighbour", "derivative of a plugin",
           kActivationBackward, "33 elements", "C4"),
    plugin(Subject::loss, "loss_gradient_halved", "derivative of a plugin", kLossBackward,
           "d below 0, in float64 too", "C4"),
    plugin(Subject::loss, "loss_ignores_scale", "derivative of a plugin", kLossBackward,
           "the scale is not looked at in float32", "C4"),
    plugin(Subject::layer, "layer_last_row", "derivative of a plugin", kLayerBackward,
           "the last of 17 samples is left out of the gradient of scale", "C4"),
    plugin(Subject::layer, "layer_mean_gradient", "derivative of a plugin", kLayerBackward,
           "the mean over the samples, in float64 too", "C4"),

    plugin(Subject::activation, "activation_long_ranges", "a plugin depends on the split",
           kActivationForward, "more than 20,000 elements: one ulp larger", "C5"),
    plugin(Subject::activation, "activation_shared_scratch", "a plugin depends on the split",
           kActivationForward, "one buffer for all threads", "C5"),
    plugin(Subject::loss, "loss_carries_over", "a plugin depends on the split", kLossForward,
           "an item depends on the one before", "C3"),
    plugin(Subject::layer, "layer_batch", "a plugin depends on the split", kLayerForward,
           "a sample depends on the next", "C3"),
    plugin(Subject::optimizer, "optimizer_vectors_of_8", "a plugin depends on the split", kStep,
           "whole vectors of 8 one ulp larger", "C5"),

    plugin(Subject::optimizer, "optimizer_climbs", "a plugin that does not learn", kStep,
           "uphill, in float64 too", "C4"),
    plugin(Subject::optimizer, "optimizer_rate_runs_out", "a plugin that does not learn", kStep,
           "from update 1000 on the learning rate is infinite", "C4"),
    plugin(Subject::activation, "activation_flushes", "settings left behind by a plugin",
           kActivationForward, "flush-to-zero stays on after 31 elements", "C2"),
};

}  // namespace

std::span<const Mutant> kind_mutants() { return kMutants; }

}  // namespace mutants
