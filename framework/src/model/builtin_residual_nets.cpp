#include <string>

#include "model/builtin_models.hpp"

namespace soma {
namespace {

/// Two 3x3 convolutions around which the input is added back, halving the image where `stride` is
/// 2: the skip is then a 1x1 convolution. `name` is what its layers are called after.
void add_residual_block(Model& net, const std::string& name, std::int64_t filters,
                        std::int64_t stride, std::string& from) {
  const auto conv = [&](const char* part, std::int64_t kernel, std::int64_t step,
                        const std::string& input) {
    net.add(Conv2d{.filters = filters,
                   .kernel = kernel,
                   .stride = step,
                   .padding = Padding::same,
                   .bias = false},
            name + part, {input});
    net.add(BatchNorm{}, name + part + "_norm");
  };
  conv("_conv1", 3, stride, from);
  net.add(Activation{"relu"}, name + "_relu1");
  conv("_conv2", 3, 1, name + "_relu1");
  std::string skip = from;
  if (stride != 1) {
    conv("_skip", 1, stride, from);
    skip = name + "_skip_norm";
  }
  net.add(Add{}, name + "_sum", {name + "_conv2_norm", skip});
  net.add(Activation{"relu"}, name);
  from = name;
}

/// He et al., "Deep residual learning for image recognition", arXiv:1512.03385, section 4.2, for
/// images of 32x32, with 1x1 convolutions where a skip changes its shape; 272,474 parameters.
Model resnet20(const Task& any) {
  constexpr std::int64_t kBlocks = 3;
  const Task task = any.of_images({32, 32, 3});
  Model net(task.sample, "resnet20");
  net.add(Conv2d{.filters = 16, .kernel = 3, .padding = Padding::same, .bias = false}, "stem_conv");
  net.add(BatchNorm{}, "stem_norm");
  net.add(Activation{"relu"}, "stem");
  std::string from = "stem";
  for (const std::int64_t filters : {16, 32, 64}) {
    for (std::int64_t block = 1; block <= kBlocks; ++block) {
      const std::string name = "stage" + std::to_string(filters) + "_" + std::to_string(block);
      add_residual_block(net, name, filters, filters > 16 && block == 1 ? 2 : 1, from);
    }
  }
  net.add(GlobalAvgPool2d{}, "pool");
  net.add(Dense{.units = task.outputs}, "logits");
  net.set_loss(task.loss);
  return net;
}

/// A hundred layers with weights: a stem, 98 convolutions of 16 channels on a quarter of the
/// image's side, a dense one. Plain, they are one after the other; residual, every other one adds
/// what went in two before. After He et al., as above, section 4.2 and figure 1.
Model hundred_layers(const char* name, const Task& any, bool residual) {
  const Task task = any.of_images();
  constexpr std::int64_t kFilters = 16, kBlocks = 49;
  Model net(task.sample, name);
  net.add(
      Conv2d{
          .filters = kFilters, .kernel = 3, .stride = 2, .padding = Padding::same, .bias = false},
      "stem_conv");
  net.add(BatchNorm{}, "stem_norm");
  net.add(Activation{"relu"}, "stem_relu");
  net.add(MaxPool2d{.size = 2}, "stem");
  std::string from = "stem";
  for (std::int64_t block = 1; block <= kBlocks; ++block) {
    const std::string at = "block" + std::to_string(block);
    if (residual) {
      add_residual_block(net, at, kFilters, 1, from);
      continue;
    }
    for (const char* part : {"a", "b"}) {
      net.add(Conv2d{.filters = kFilters, .kernel = 3, .padding = Padding::same, .bias = false},
              at + part + "_conv");
      net.add(BatchNorm{}, at + part + "_norm");
      net.add(Activation{"relu"}, at + part);
    }
  }
  net.add(GlobalAvgPool2d{}, "pool");
  net.add(Dense{.units = task.outputs}, "logits");
  net.set_loss(task.loss);
  return net;
}
Model plain100(const Task& task) { return hundred_layers("plain100", task, false); }
Model residual100(const Task& task) { return hundred_layers("residual100", task, true); }

}  // namespace

std::span<const Builtin> builtin_residual_nets() {
  static constexpr Builtin kModels[] = {
      {"resnet20", resnet20}, {"plain100", plain100}, {"residual100", residual100}};
  return kModels;
}

}  // namespace soma
