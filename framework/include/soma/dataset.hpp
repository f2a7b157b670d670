#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "soma/api.hpp"
#include "soma/record_format.hpp"
#include "soma/tensor.hpp"

namespace soma {

/// One of the inputs or targets of a data set: its name and what it has for each sample.
struct DataColumn {
  std::string name;
  Shape sample;  ///< without the number of samples
  DType type = DType::f32;
};

/// A column with its numbers: f32 or i32 [n, sample...].
struct ColumnData {
  std::string name;
  Tensor values;
};

/// Samples and their targets. Inputs are kept as bytes (images), float32, int32 or text and handed
/// out as float32 or int32 batches. Targets are class indices (classification), one for each sample
/// or for each position of a sequence, or float32 rows (regression). Copies share their numbers,
/// which never change.
class SOMA_API Dataset {
 public:
  Dataset();
  /// Classification. `inputs` f32 [n, sample...], labels n class indices in [0,
  /// class_names.size()). Throws ShapeError.
  Dataset(std::string name, Tensor inputs, std::vector<std::int32_t> labels,
          std::vector<std::string> class_names);
  /// Regression. targets f32 [n, target...].
  Dataset(std::string name, Tensor inputs, Tensor targets);
  /// Classification on bytes: element = byte / 255.
  Dataset(std::string name, Shape sample, std::vector<std::uint8_t> bytes,
          std::vector<std::int32_t> labels, std::vector<std::string> class_names);
  /// Any number of inputs and targets, all of n samples. i32 targets are class indices below
  /// class_names.size(), [n] or [n, position...]; a negative one means that there is no answer: it
  /// counts as neither right nor wrong, and the loss must know it as its ignore_index. class_names
  /// is empty if and only if no target is i32. Throws ShapeError.
  Dataset(std::string name, std::vector<ColumnData> inputs, std::vector<ColumnData> targets,
          std::vector<std::string> class_names);
  /// Sequences out of one text of class indices: sample i has the input i32 [length] =
  /// text[i * stride, i * stride + length) and as its labels [length] the indices one further on.
  /// There are floor((text.size() - 1 - length) / stride) + 1 samples, which share the text. Throws
  /// ShapeError if there is none or an index is none of class_names, of which there are 1 to 256.
  static Dataset windows(std::string name, std::vector<std::uint8_t> text, std::int64_t length,
                         std::int64_t stride, std::vector<std::string> class_names);

  const std::string& name() const noexcept { return name_; }
  std::int64_t size() const noexcept { return size_; }
  const std::vector<DataColumn>& inputs() const noexcept;
  const std::vector<DataColumn>& targets() const noexcept;
  const Shape& sample_shape() const noexcept;  ///< of the first input
  bool is_classification() const noexcept { return classes() > 0; }
  std::int64_t classes() const noexcept { return static_cast<std::int64_t>(class_names().size()); }
  const std::vector<std::string>& class_names() const noexcept;
  /// Of the first target of one sample; rank 0 for one class.
  const Shape& target_shape() const noexcept;

  /// Copies the given rows, in order, into dense buffers. Row indices in [0, size()).
  /// Of input or target number `column`, in its type:
  void gather_input(std::size_t column, std::span<const std::int64_t> rows, std::byte* to) const;
  void gather_target(std::size_t column, std::span<const std::int64_t> rows, std::byte* to) const;
  /// Of the first input, which is float32; of the first target, which is int32 or float32.
  void gather_inputs(std::span<const std::int64_t> rows, float* to) const;
  void gather_labels(std::span<const std::int64_t> rows, std::int32_t* to) const;
  void gather_targets(std::span<const std::int64_t> rows, float* to) const;
  /// SHA-256 in hex over name-independent content: shapes, input bytes, targets.
  std::string sha256() const;
  /// The first n samples (all if n >= size()).
  Dataset head(std::int64_t n) const;
  /// These samples, in this order. Throws ShapeError for a row that is none of [0, size()).
  Dataset select(std::vector<std::int64_t> rows) const;

  /// How its records became numbers, and the names of the classes: what training leaves in a model.
  const RecordFormat& record_format() const noexcept;
  /// What a person should know about how the data were read: columns left out, rows dropped.
  const std::vector<std::string>& notes() const noexcept;
  /// The same samples with that format, whose class names are those of the data, and with notes.
  /// Throws ShapeError if the format's records have another number of inputs.
  Dataset with_format(RecordFormat format, std::vector<std::string> notes = {}) const;

  /// The same samples with their inputs as targets, for autoencoders. There are no classes then and
  /// no record format. Throws ShapeError for an input that is not float32.
  Dataset reconstructing() const;

  struct Content;

 private:
  Dataset(std::string name, std::int64_t size, std::shared_ptr<const Content> content);

  std::string name_;
  std::int64_t size_ = 0;
  std::shared_ptr<const Content> content_;
};

struct DataSplit {
  Dataset train, test;
  Dataset validation = {};  ///< empty unless asked for
};

namespace data {

/// How samples are shared out.
struct SplitOptions {
  double test = 0.2, validation = 0;  ///< shares
  std::uint64_t seed = 1;
  bool stratify = true;  ///< each class alone, if there are classes
  bool ordered = false;  ///< nothing drawn: the last are the test, those before the validation
};

/// A training part, a test part and, if asked for, one for validation, drawn by the seed. Where the
/// share of the test is 0 it is the training part. Throws ShapeError if there are too few samples.
SOMA_API DataSplit split(const Dataset& data, const SplitOptions& options = {});

struct Info {
  std::string name;
  std::string summary;  ///< one line: what it is, sizes
  std::string source;   ///< "built in" or where it was looked for
  bool available = false;
};

/// How load() reads.
struct LoadOptions {
  std::uint64_t seed = 1;  ///< drives generated data and splits
  /// Of a trained model: records are read as it says and nothing is learned from them; all of them
  /// are the test, unless the SPEC says otherwise. nullptr: the format is learned.
  const RecordFormat* format = nullptr;
};

/// Loads a data set by SPEC: a name of list(), or "FORM:PATH" with one of the forms csv, text and
/// idx; options follow behind a question mark, "csv:houses.csv?target=price&test=0.25".
/// framework/docs/data.md has them all. Throws FormatError: one sentence with file, place, what was
/// expected and what was found.
SOMA_API DataSplit load(const std::string& spec, const LoadOptions& options);
SOMA_API DataSplit load(const std::string& spec, std::uint64_t seed = 1);
/// The named sets, available or not.
SOMA_API std::vector<Info> list();
/// Where named sets are kept: SOMA_DATA or, if that is not set, $XDG_DATA_HOME/soma
/// (~/.local/share/soma).
SOMA_API std::filesystem::path folder();

}  // namespace data
}  // namespace soma
