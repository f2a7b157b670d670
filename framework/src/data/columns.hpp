#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "io/sha256.hpp"
#include "soma/dataset.hpp"

namespace soma {

/// The numbers of one column, however they are kept.
class Column {
 public:
  explicit Column(DataColumn info) : info_(std::move(info)) {}
  virtual ~Column() = default;
  const DataColumn& info() const noexcept { return info_; }
  /// Copies rows, each info().sample of info().type.
  virtual void gather(std::span<const std::int64_t> rows, std::byte* to) const = 0;
  /// Adds the first n rows, as they are kept, to a hash.
  virtual void hash(std::int64_t n, io::Sha256& to) const = 0;
  /// How the elements are kept: "f32", "i32", "u8" (of unit range) or "text".
  virtual const char* kept_as() const noexcept = 0;

 private:
  DataColumn info_;
};

std::unique_ptr<Column> tensor_column(std::string name, Tensor values);
/// Class indices, one a sample.
std::unique_ptr<Column> label_column(std::vector<std::int32_t> labels);
/// float32 in [0, 1], kept as bytes.
std::unique_ptr<Column> byte_column(Shape sample, std::vector<std::uint8_t> bytes);
/// Windows [length] of a text, the first at `offset`.
std::unique_ptr<Column> window_column(std::string name,
                                      std::shared_ptr<const std::vector<std::uint8_t>> text,
                                      std::int64_t offset, std::int64_t length,
                                      std::int64_t stride);
/// Rows of another column, in the given order; both are shared.
std::unique_ptr<Column> selected_column(std::shared_ptr<const Column> from,
                                        std::shared_ptr<const std::vector<std::int64_t>> rows);

struct Dataset::Content {
  std::vector<std::shared_ptr<const Column>> inputs, targets;
  std::vector<DataColumn> input_infos, target_infos;
  RecordFormat format;
  std::vector<std::string> notes;

  void add_input(std::shared_ptr<const Column> column) {
    input_infos.push_back(column->info());
    inputs.push_back(std::move(column));
  }
  void add_target(std::shared_ptr<const Column> column) {
    target_infos.push_back(column->info());
    targets.push_back(std::move(column));
  }
};

}  // namespace soma
