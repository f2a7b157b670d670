#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soma/layers.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// What training minimises.
///   softmax_cross_entropy  the output is logits [N,C], the targets are classes
///   mean_squared_error     output and targets have the same shape
enum class Loss { softmax_cross_entropy, mean_squared_error };
SOMA_API const char* name_of(Loss loss) noexcept;
SOMA_API Loss loss_from_name(std::string_view name);

/// A tensor that training changes, named "layer.weight". `version` rises with every change, so that
/// packed copies know.
struct Parameter {
  std::string name;
  Tensor value;
  std::uint64_t version = 1;
  bool trainable = true;  ///< false: a running statistic, which no optimizer changes
};

/// A network: layers with names, joined into a graph without cycles, and its parameters. Move-only.
class SOMA_API Model {
 public:
  /// `input`: the shape of one sample, without the batch.
  explicit Model(Shape input, std::string name = "model");
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  /// Appends a layer that takes the previous layer's output. Without a name it gets its type and a
  /// number, "conv2d_1". Throws ShapeError at once if it cannot take that input. Adding resets the
  /// parameters.
  template <class Spec>
  Model& add(Spec spec, std::string name = "") {
    return add_layer(std::make_unique<LayerOf<Spec>>(std::move(spec)), std::move(name), {});
  }
  /// Takes the outputs of the named layers instead; "input" is the model's input.
  template <class Spec>
  Model& add(Spec spec, std::string name, std::vector<std::string> inputs) {
    return add_layer(std::make_unique<LayerOf<Spec>>(std::move(spec)), std::move(name),
                     std::move(inputs));
  }
  Model& add_layer(std::unique_ptr<Layer> layer, std::string name, std::vector<std::string> inputs);
  Model& set_loss(Loss loss);

  const std::string& name() const noexcept;
  const Shape& input_shape() const noexcept;   ///< one sample
  const Shape& output_shape() const noexcept;  ///< one sample
  Loss loss() const noexcept;

  struct LayerView {
    std::string name;
    const Layer* layer;
    std::vector<std::string> inputs;  ///< layer names, "input" for the model's input
    Shape output;                     ///< one sample
    std::int64_t parameters;          ///< count of numbers
    std::int64_t macs;                ///< multiply-adds of one sample's forward
  };
  std::vector<LayerView> layers() const;

  /// Draws all parameters anew, each from its own stream of (seed, its name).
  void initialize(std::uint64_t seed);
  bool initialized() const noexcept;
  /// In the model's order. Throws StateError before initialize() or load().
  std::vector<Parameter>& parameters();
  const std::vector<Parameter>& parameters() const;
  Parameter& parameter(std::string_view name);  ///< Throws ShapeError that lists the names.
  std::int64_t parameter_count() const;
  /// SHA-256 over name, shape and little-endian float32 bytes of each parameter in order, in hex.
  std::string weights_sha256() const;

  /// The architecture as JSON, and back. from_json throws FormatError with `origin`, line and
  /// field.
  std::string to_json() const;
  static Model from_json(std::string_view text, std::string_view origin = "model");
  /// A built-in model ("perceptron", "mlp", "lenet5") or a JSON file. Throws FormatError that lists
  /// what there is.
  static Model named(const std::string& name_or_file);
  static std::vector<std::string> builtin_names();

  /// safetensors with the architecture in the metadata, and a self-test input and output that
  /// load() checks. Written to a temporary file, synced and renamed. load throws FormatError.
  void save(const std::filesystem::path& file) const;
  static Model load(const std::filesystem::path& file);

  struct State;
  const State& state() const noexcept { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace soma
