#include <string>

#include "model/builtin_models.hpp"

namespace soma {
namespace {

/// A sample's shape as the text that Reshape takes.
std::string text_of(const Shape& sample) {
  std::string text;
  for (const std::int64_t extent : sample.dims()) {
    text += (text.empty() ? "" : ",") + std::to_string(extent);
  }
  return text;
}

/// Numbers of unit range, as images have them, come out of a sigmoid; others as they are.
std::string range_of(const Shape& sample) { return sample.rank() == 3 ? "sigmoid" : ""; }

/// From the layer before to the sample, through `hidden` units.
void add_decoder(Model& net, const Shape& sample, std::int64_t hidden,
                 const std::string& activation) {
  net.add(Dense{.units = hidden, .activation = "relu"}, "decode1");
  net.add(Dense{.units = sample.elements(), .activation = activation}, "decode2");
  net.add(Reshape{.shape = text_of(sample)}, "output");
}

/// Squeezes samples through 32 numbers. After Hinton & Salakhutdinov, "Reducing the dimensionality
/// of data with neural networks", Science 313 (2006), at a size for small images.
Model autoencoder(const Task& task) {
  Model net(task.sample, "autoencoder");
  net.add(Dense{.units = 256, .activation = "relu"}, "encode1");
  net.add(Dense{.units = 32}, "code");
  add_decoder(net, task.sample, 256, range_of(task.sample));
  net.set_loss(Loss::mean_squared_error);
  return net;
}

/// A code of 256 units that are mostly silent, because their activity costs. After Ng, "Sparse
/// autoencoder", CS294A lecture notes (2011), with the L1 norm for the divergence.
Model sparse_autoencoder(const Task& task) {
  Model net(task.sample, "sparse-autoencoder");
  net.add(Dense{.units = 256, .activation = "relu"}, "code");
  net.add(ActivityPenalty{.l1 = 1e-4}, "sparse");
  net.add(Dense{.units = task.sample.elements(), .activation = range_of(task.sample)}, "decode");
  net.add(Reshape{.shape = text_of(task.sample)}, "output");
  net.set_loss(Loss::mean_squared_error);
  return net;
}

/// A variational autoencoder of 16 latent numbers; the loss is the negative evidence lower bound of
/// a sample by its number of elements. Takes elements in [0, 1]. After Kingma & Welling,
/// arXiv:1312.6114.
Model vae(const Task& task) {
  constexpr std::int64_t kLatent = 16;
  Model net(task.sample, "vae");
  net.add(Dense{.units = 256, .activation = "relu"}, "encode1");
  net.add(Dense{.units = kLatent}, "mean");
  net.add(Dense{.units = kLatent}, "log_variance", {"encode1"});
  net.add(GaussianSample{.kl = 1.0 / static_cast<double>(task.sample.elements())}, "latent",
          {"mean", "log_variance"});
  add_decoder(net, task.sample, 256, "");
  net.set_loss(Loss::binary_cross_entropy_with_logits);
  return net;
}

}  // namespace

std::span<const Builtin> builtin_autoencoders() {
  static constexpr Builtin kModels[] = {
      {"autoencoder", autoencoder}, {"sparse-autoencoder", sparse_autoencoder}, {"vae", vae}};
  return kModels;
}

}  // namespace soma
