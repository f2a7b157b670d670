#include <array>

#include "experiment.hpp"

namespace lab {

std::span<const Chapter> chapters() {
  static const std::array kChapters{
      Chapter{
          "One neuron",
          "A weighted sum and a function of it: what the weights, the bias and the function do.",
          neuron_experiments()},
      Chapter{"Logic", "The neuron of McCulloch and Pitts: what it computes, and what it cannot.",
              logic_experiments()},
      Chapter{"Learning from mistakes", "Rosenblatt's perceptron, its theorem and its limit.",
              perceptron_experiments()},
      Chapter{"Smooth neurons", "From thresholds to slopes: what gradients need.",
              smooth_experiments()},
      Chapter{"Brains and machines", "What artificial neurons share with those of a brain.",
              biology_experiments()},
      Chapter{"Activations", "The functions of a neuron, computed, compared and tabulated.",
              activation_experiments()},
      Chapter{"What nets can express",
              "Why non-linearity, how near a net comes, and which activation.",
              expression_experiments()},
      Chapter{"Architectures", "How neurons are wired: dense, convolutional, deep.",
              architecture_experiments()},
      Chapter{"Sequences and generators",
              "Memory, gates, attention, language, and nets that make things.",
              sequence_experiments()},
      Chapter{"Learning",
              "Forward, loss, backward, update: the steps of training and what drives them.",
              learning_experiments()},
      Chapter{"Healthy gradients",
              "Where learning starts from, and what becomes of signals and gradients over depth.",
              gradient_health_experiments()},
      Chapter{"Generalisation", "Learning the pattern or learning by heart, and what helps.",
              generalisation_experiments()},
      Chapter{"Looking at neurons", "What single neurons respond to, and what their weights say.",
              selectivity_experiments()},
      Chapter{"Understanding",
              "Pictures that neurons like, features that share neurons, and how to part them.",
              interpretation_experiments()},
      Chapter{"The whole", "Neurons in parallel, good practice, and two stories.",
              system_experiments()},
  };
  return kChapters;
}

}  // namespace lab
