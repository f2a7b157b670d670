#include "soma/dataset.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "io/sha256.hpp"
#include "soma/error.hpp"

namespace soma {

namespace {

[[noreturn]] void fail(const std::string& name, const std::string& problem) {
  throw ShapeError("data set '" + name + "': " + problem);
}

void check_rows(const std::string& name, const char* what, const Tensor& tensor) {
  if (tensor.dtype() != DType::f32 || tensor.shape().rank() < 1) {
    fail(name, std::string(what) + ": expected f32 [n,...], got " + name_of(tensor.dtype()) + " " +
                   tensor.shape().str());
  }
}

void check_labels(const std::string& name, std::int64_t size,
                  const std::vector<std::int32_t>& labels,
                  const std::vector<std::string>& class_names) {
  const auto classes = static_cast<std::int32_t>(class_names.size());
  if (classes == 0) fail(name, "expected the names of one class or more, got none");
  if (std::cmp_not_equal(labels.size(), size)) {
    fail(name, "expected as many labels as samples, got " + std::to_string(labels.size()) +
                   " labels and " + std::to_string(size) + " samples");
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] < 0 || labels[i] >= classes) {
      fail(name, "label of sample " + std::to_string(i) + ": expected a class in [0," +
                     std::to_string(classes) + "), got " + std::to_string(labels[i]));
    }
  }
}

/// byte / 255 for every byte.
constexpr std::array<float, 256> kUnit = [] {
  std::array<float, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i) / 255.0f;
  return table;
}();

void gather(const Tensor& tensor, std::span<const std::int64_t> rows, float* to) {
  const auto row = static_cast<std::size_t>(tensor.shape().elements_from(1));
  const auto from = tensor.as<float>();
  for (const std::int64_t i : rows) {
    to = std::ranges::copy(from.subspan(static_cast<std::size_t>(i) * row, row), to).out;
  }
}

Tensor first_rows(const Tensor& tensor, std::int64_t n) {
  Tensor head(tensor.shape().from(1).batched(n));
  if (head.size_bytes() > 0) std::memcpy(head.data(), tensor.data(), head.size_bytes());
  return head;
}

void update(io::Sha256& hash, const Shape& shape) {
  hash.update(std::int64_t{shape.rank()});
  for (const std::int64_t dim : shape.dims()) hash.update(dim);
}

}  // namespace

Dataset::Dataset(std::string name, Tensor inputs, std::vector<std::int32_t> labels,
                 std::vector<std::string> class_names)
    : name_(std::move(name)),
      floats_(std::move(inputs)),
      labels_(std::move(labels)),
      class_names_(std::move(class_names)) {
  check_rows(name_, "inputs", floats_);
  size_ = floats_.shape()[0];
  sample_ = floats_.shape().from(1);
  check_labels(name_, size_, labels_, class_names_);
}

Dataset::Dataset(std::string name, Tensor inputs, Tensor targets)
    : name_(std::move(name)), floats_(std::move(inputs)), targets_(std::move(targets)) {
  check_rows(name_, "inputs", floats_);
  check_rows(name_, "targets", targets_);
  size_ = floats_.shape()[0];
  sample_ = floats_.shape().from(1);
  target_shape_ = targets_.shape().from(1);
  if (targets_.shape()[0] != size_) {
    fail(name_, "expected as many targets as samples, got targets " + targets_.shape().str() +
                    " and inputs " + floats_.shape().str());
  }
}

Dataset::Dataset(std::string name, Shape sample, std::vector<std::uint8_t> bytes,
                 std::vector<std::int32_t> labels, std::vector<std::string> class_names)
    : name_(std::move(name)),
      sample_(sample),
      bytes_(std::move(bytes)),
      labels_(std::move(labels)),
      class_names_(std::move(class_names)) {
  size_ = static_cast<std::int64_t>(labels_.size());
  if (sample_.elements() == 0 || std::cmp_not_equal(bytes_.size(), size_ * sample_.elements())) {
    fail(name_, "expected " + std::to_string(size_) + " samples " + sample_.str() + ", got " +
                    std::to_string(bytes_.size()) + " bytes");
  }
  check_labels(name_, size_, labels_, class_names_);
}

void Dataset::gather_inputs(std::span<const std::int64_t> rows, float* to) const {
  if (bytes_.empty()) return gather(floats_, rows, to);
  const auto row = static_cast<std::size_t>(sample_.elements());
  for (const std::int64_t i : rows) {
    const std::uint8_t* from = bytes_.data() + static_cast<std::size_t>(i) * row;
    to = std::transform(from, from + row, to, [](std::uint8_t byte) { return kUnit[byte]; });
  }
}

void Dataset::gather_labels(std::span<const std::int64_t> rows, std::int32_t* to) const {
  for (const std::int64_t i : rows) *to++ = labels_[static_cast<std::size_t>(i)];
}

void Dataset::gather_targets(std::span<const std::int64_t> rows, float* to) const {
  gather(targets_, rows, to);
}

std::string Dataset::sha256() const {
  io::Sha256 hash;
  hash.update(size_);
  update(hash, sample_);
  hash.update(std::string_view(bytes_.empty() ? "f32" : "u8"));
  hash.update(std::as_bytes(std::span(bytes_)));
  hash.update({floats_.data(), floats_.size_bytes()});
  hash.update(classes());
  hash.update(std::as_bytes(std::span(labels_)));
  update(hash, target_shape_);
  hash.update({targets_.data(), targets_.size_bytes()});
  return hash.hex();
}

Dataset Dataset::head(std::int64_t n) const {
  if (n < 0) fail(name_, "head: expected a count >= 0, got " + std::to_string(n));
  n = std::min(n, size_);
  if (!is_classification()) return {name_, first_rows(floats_, n), first_rows(targets_, n)};
  const auto count = static_cast<std::ptrdiff_t>(n);
  std::vector<std::int32_t> labels(labels_.begin(), labels_.begin() + count);
  if (bytes_.empty()) return {name_, first_rows(floats_, n), std::move(labels), class_names_};
  const auto bytes = static_cast<std::ptrdiff_t>(n * sample_.elements());
  return {name_, sample_, std::vector(bytes_.begin(), bytes_.begin() + bytes), std::move(labels),
          class_names_};
}

}  // namespace soma
