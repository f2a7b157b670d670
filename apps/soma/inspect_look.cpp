#include "inspect_look.hpp"

void LookOptions::declare(CommandLine& line) {
  line.option("neuron", &neuron, "LAYER:INDEX",
              "look at one neuron instead, as in conv2:7: weights, receptive field, the samples it "
              "answers to,\nthe input it likes best, its classes, and its part in the network")
      .option("sample", &sample, "N",
              "show instead what every channel of every layer makes of "
              "test sample N, with --html as pictures")
      .flag("gallery", &gallery,
            "show instead what the units of each layer respond to, from the "
            "first layer to the last")
      .option("maximise-steps", &steps, "S",
              "of gradient ascent on the input (default 300; 0: none)")
      .option("examples", &examples, "K", "samples to show of a neuron (default 12)");
}

bool LookOptions::given(const CommandLine& line) const {
  const int ways = !neuron.empty() + sample.has_value() + gallery;
  if (ways > 1) throw UsageError("inspect: expected at most one of --neuron, --sample, --gallery");
  require_at_least("sample", sample, 0);
  require_at_least("maximise-steps", steps, 0);
  require_at_least("examples", examples, 0);
  if (line.given("maximise-steps") && neuron.empty() && !gallery) {
    throw UsageError("--maximise-steps: goes with --neuron or --gallery");
  }
  if (line.given("examples") && neuron.empty()) throw UsageError("--examples: goes with --neuron");
  return ways == 1;
}

int LookOptions::run(LookRequest request) const {
  request.neuron = neuron;
  request.sample = sample;
  request.gallery = gallery;
  request.steps = steps.value_or(request.steps);
  request.examples = examples.value_or(request.examples);
  if (!neuron.empty()) return look_at_neuron(request);
  return gallery ? look_at_layers(request) : look_at_sample(request);
}
