#include <soma/sdk/layer.hpp>

/// Squeeze-and-excite: each channel of an image is scaled by a gate in (0, 1), which two dense
/// layers compute from the means of all channels. Made of existing layers, so it has no gradient of
/// its own. Source: Hu et al., arXiv:1709.01507.
struct SqueezeExcite {
  static constexpr soma_option kOptions[] = {soma::sdk::integer("ratio", 16, 1, 1e9)};

  static soma::sdk::Node compose(soma::sdk::Composer& c, const soma::sdk::Options& fields,
                                 std::span<const soma::sdk::Node> inputs) {
    const auto image = inputs[0];
    const std::int64_t channels = image.shape.back();
    const auto means = c.layer("global_avg_pool2d", "", {}, {image});
    const auto squeezed =
        c.layer("dense", "squeeze",
                {{"units", std::max<std::int64_t>(1, channels / fields.integer("ratio"))},
                 {"activation", "relu"}},
                {means});
    const auto gates =
        c.layer("dense", "excite", {{"units", channels}, {"activation", "sigmoid"}}, {squeezed});
    return c.layer("multiply", "", {}, {image, gates});
  }
};
SOMA_EXPORT_LAYER("squeeze_excite", SqueezeExcite)
