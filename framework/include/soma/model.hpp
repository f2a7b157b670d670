#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "soma/layers.hpp"
#include "soma/loss.hpp"
#include "soma/record_format.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// A tensor that training changes, named "layer.weight". `version` rises with every change, so that
/// packed copies know.
struct Parameter {
  std::string name;
  Tensor value;
  std::uint64_t version = 1;
  bool trainable = true;  ///< false: a running statistic, which no optimizer changes
};

/// What a model takes: the shape of one sample without the batch, numbers (f32) or whole numbers
/// such as token ids (i32).
struct ModelInput {
  std::string name;
  Shape shape;
  DType type = DType::f32;
  friend bool operator==(const ModelInput&, const ModelInput&) = default;
};

/// What a model gives: a layer's output, of one sample; float32.
struct ModelOutput {
  std::string name;
  Shape shape;
};

/// A loss on one of a model's outputs.
struct OutputLoss {
  std::string output;
  Loss loss;
  double weight = 1;
};

class Dataset;
class LayerRef;

/// A network: layers with names, joined into a graph without cycles, and its parameters. Move-only.
class SOMA_API Model {
 public:
  /// `input`: the shape of one sample, without the batch; the input's name is "input".
  explicit Model(Shape input, std::string name = "model", DType type = DType::f32);
  /// One input or more, under names of their own. Throws ShapeError for a name that is taken or not
  /// allowed, a shape without elements or of too many dimensions, and a type that is not f32 or
  /// i32.
  static Model with_inputs(std::vector<ModelInput> inputs, std::string name = "model");
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
  /// Takes the outputs of the named layers instead, or the model's inputs by name.
  template <class Spec>
  Model& add(Spec spec, std::string name, std::vector<std::string> inputs) {
    return add_layer(std::make_unique<LayerOf<Spec>>(std::move(spec)), std::move(name),
                     std::move(inputs));
  }
  Model& add_layer(std::unique_ptr<Layer> layer, std::string name, std::vector<std::string> inputs);
  /// Appends an input, which layers added later can name. Throws as with_inputs.
  Model& add_input(std::string name, Shape shape, DType type = DType::f32);
  /// The layers whose outputs the model gives, in that order; without it, the last layer alone.
  /// Losses on outputs that are none any more are dropped. Throws ShapeError for a name that is no
  /// layer's, or is there twice.
  Model& set_outputs(std::vector<std::string> layers);
  /// Makes a parameter one with that of an earlier layer: tie("out.weight", "embed.table"). It is
  /// kept and saved once, under the second name, and gets the sum of both gradients, added in the
  /// order in which the backward pass finds them. Resets the parameters. Throws ShapeError if there
  /// is no such parameter, the shapes differ or training does not change them.
  Model& tie(const std::string& parameter, const std::string& to);

  /// The loss on the first output, and the only one.
  Model& set_loss(Loss loss);
  /// A loss on an output by name. What is minimised is the sum of weight * loss in the order of the
  /// outputs; outputs without a loss are left out. Throws ShapeError for a name that is no output's
  /// and a weight that is not finite.
  Model& set_loss(Loss loss, const std::string& output, double weight = 1);

  const std::string& name() const noexcept;
  const std::vector<ModelInput>& inputs() const noexcept;
  std::vector<ModelOutput> outputs() const;
  const Shape& input_shape() const noexcept;   ///< one sample of the first input
  const Shape& output_shape() const noexcept;  ///< one sample of the first output
  const Loss& loss() const noexcept;           ///< the first
  std::vector<OutputLoss> losses() const;      ///< in the order of the outputs

  struct LayerView {
    std::string name;
    const Layer* layer;
    std::vector<std::string> inputs;  ///< names of layers and of the model's inputs
    std::vector<std::pair<std::string, std::string>> ties;  ///< "weight" -> "embed.table"
    Shape output;                                           ///< one sample
    std::int64_t parameters;                                ///< numbers that training changes
    std::int64_t macs;  ///< multiply-adds of one sample's forward
  };
  std::vector<LayerView> layers() const;
  /// One layer, for its neurons: layer("fc1").neuron(12); see soma/neuron/neuron_view.hpp. Throws
  /// ShapeError that lists the layers.
  LayerRef layer(const std::string& name) const;

  /// Draws all parameters anew, each from its own stream of (seed, its name).
  void initialize(std::uint64_t seed);
  bool initialized() const noexcept;
  /// In the model's order. Throws StateError before initialize() or load().
  std::vector<Parameter>& parameters();
  const std::vector<Parameter>& parameters() const;
  Parameter& parameter(std::string_view name);  ///< Throws ShapeError that lists the names.
  /// Numbers that training changes: running statistics do not count.
  std::int64_t parameter_count() const;
  /// SHA-256 over name, shape and little-endian float32 bytes of each parameter in order, in hex.
  std::string weights_sha256() const;

  /// The architecture as JSON, and back. from_json throws FormatError with `origin`, line and
  /// field.
  std::string to_json() const;
  static Model from_json(std::string_view text, std::string_view origin = "model");
  /// A built-in model (one of builtin_names()) or a JSON file. Throws FormatError that lists
  /// what there is.
  static Model named(const std::string& name_or_file);
  /// The same for a data set: perceptron, mlp and tabular take its samples and give its classes
  /// or numbers; other models are as they are.
  static Model named(const std::string& name_or_file, const Dataset& data);
  static std::vector<std::string> builtin_names();

  /// safetensors with the architecture in the metadata, and a self-test input and output that
  /// load() checks. Written to a temporary file, synced and renamed. load throws FormatError.
  void save(const std::filesystem::path& file) const;
  static Model load(const std::filesystem::path& file);

  /// How records become its inputs and its outputs answers, and the names of its classes: left here
  /// by training, saved with the model. Empty before.
  const RecordFormat& record_format() const noexcept;
  void set_record_format(RecordFormat format);

  struct State;
  const State& state() const noexcept { return *state_; }

 private:
  Model() = default;
  std::unique_ptr<State> state_;
};

}  // namespace soma
