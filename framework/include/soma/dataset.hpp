#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "soma/api.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// Samples and their targets. Inputs are kept as bytes (images) or float32 and handed out as
/// float32 batches. Targets are class indices (classification) or float32 rows (regression).
class SOMA_API Dataset {
 public:
  Dataset() = default;
  /// Classification. `inputs` f32 [n, sample...], labels n class indices in [0,
  /// class_names.size()). Throws ShapeError.
  Dataset(std::string name, Tensor inputs, std::vector<std::int32_t> labels,
          std::vector<std::string> class_names);
  /// Regression. targets f32 [n, target...].
  Dataset(std::string name, Tensor inputs, Tensor targets);
  /// Classification on bytes: element = byte / 255.
  Dataset(std::string name, Shape sample, std::vector<std::uint8_t> bytes,
          std::vector<std::int32_t> labels, std::vector<std::string> class_names);

  const std::string& name() const noexcept { return name_; }
  std::int64_t size() const noexcept { return size_; }
  const Shape& sample_shape() const noexcept { return sample_; }
  bool is_classification() const noexcept { return !class_names_.empty(); }
  std::int64_t classes() const noexcept { return static_cast<std::int64_t>(class_names_.size()); }
  const std::vector<std::string>& class_names() const noexcept { return class_names_; }
  const Shape& target_shape() const noexcept {
    return target_shape_;
  }  ///< of one row; rank 0 for classes

  /// Copies the given rows, in order, into dense buffers. Row indices in [0, size()).
  void gather_inputs(std::span<const std::int64_t> rows, float* to) const;
  void gather_labels(std::span<const std::int64_t> rows,
                     std::int32_t* to) const;                                ///< classification
  void gather_targets(std::span<const std::int64_t> rows, float* to) const;  ///< regression
  /// SHA-256 in hex over name-independent content: shapes, input bytes, targets.
  std::string sha256() const;
  /// The first n samples (all if n >= size()).
  Dataset head(std::int64_t n) const;

 private:
  std::string name_;
  std::int64_t size_ = 0;
  Shape sample_, target_shape_;
  std::vector<std::uint8_t> bytes_;
  Tensor floats_;
  std::vector<std::int32_t> labels_;
  Tensor targets_;
  std::vector<std::string> class_names_;
};

struct DataSplit {
  Dataset train, test;
};

namespace data {

struct Info {
  std::string name;
  std::string summary;  ///< one line: what it is, sizes
  std::string source;   ///< "built in" or where it was looked for
  bool available = false;
};

/// Loads a data set by SPEC: a name ("mnist", "glyphs", "iris", "xor") or "idx:DIR". "mnist" is
/// looked for as $SOMA_DATA/mnist and, if SOMA_DATA is not set, in $XDG_DATA_HOME/soma/mnist
/// (~/.local/share). `seed` drives generated data and splits. Throws FormatError: one sentence with
/// file, what was expected and what was found.
SOMA_API DataSplit load(const std::string& spec, std::uint64_t seed = 1);
/// The named sets, available or not.
SOMA_API std::vector<Info> list();

}  // namespace data
}  // namespace soma
