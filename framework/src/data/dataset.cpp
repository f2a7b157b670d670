#include "soma/dataset.hpp"

#include <algorithm>
#include <utility>

#include "data/columns.hpp"
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

void check_column(const std::string& name, const ColumnData& column, std::int64_t size) {
  const Tensor& values = column.values;
  if (values.dtype() == DType::f64 || values.shape().rank() < 1 || values.shape()[0] != size) {
    fail(name, "column '" + column.name + "': expected f32 or i32 [" + std::to_string(size) +
                   ",...], got " + name_of(values.dtype()) + " " + values.shape().str());
  }
}

void check_classes(const std::string& name, const ColumnData& column, std::size_t classes) {
  if (column.values.dtype() != DType::i32) return;
  const auto labels = column.values.as<std::int32_t>();
  const auto wrong = std::ranges::find_if(
      labels, [&](std::int32_t label) { return std::cmp_greater_equal(label, classes); });
  if (wrong != labels.end()) {
    fail(name, "column '" + column.name + "', element " + std::to_string(wrong - labels.begin()) +
                   ": expected a class below " + std::to_string(classes) + ", got " +
                   std::to_string(*wrong));
  }
}

void update(io::Sha256& hash, const Shape& shape) {
  hash.update(std::int64_t{shape.rank()});
  for (const std::int64_t dim : shape.dims()) hash.update(dim);
}

const std::shared_ptr<const Dataset::Content>& no_content() {
  static const auto content = [] {
    auto empty = std::make_shared<Dataset::Content>();
    empty->add_input(tensor_column("input", Tensor({0})));
    empty->add_target(tensor_column("targets", Tensor({0})));
    return std::shared_ptr<const Dataset::Content>(std::move(empty));
  }();
  return content;
}

}  // namespace

Dataset::Dataset() : content_(no_content()) {}

Dataset::Dataset(std::string name, std::int64_t size, std::shared_ptr<const Content> content)
    : name_(std::move(name)), size_(size), content_(std::move(content)) {}

Dataset::Dataset(std::string name, Tensor inputs, std::vector<std::int32_t> labels,
                 std::vector<std::string> class_names)
    : name_(std::move(name)) {
  check_rows(name_, "inputs", inputs);
  size_ = inputs.shape()[0];
  check_labels(name_, size_, labels, class_names);
  auto content = std::make_shared<Content>();
  content->add_input(tensor_column("input", std::move(inputs)));
  content->add_target(label_column(std::move(labels)));
  content->format.class_names = std::move(class_names);
  content_ = std::move(content);
}

Dataset::Dataset(std::string name, Tensor inputs, Tensor targets) : name_(std::move(name)) {
  check_rows(name_, "inputs", inputs);
  check_rows(name_, "targets", targets);
  size_ = inputs.shape()[0];
  if (targets.shape()[0] != size_) {
    fail(name_, "expected as many targets as samples, got targets " + targets.shape().str() +
                    " and inputs " + inputs.shape().str());
  }
  auto content = std::make_shared<Content>();
  content->add_input(tensor_column("input", std::move(inputs)));
  content->add_target(tensor_column("targets", std::move(targets)));
  content_ = std::move(content);
}

Dataset::Dataset(std::string name, Shape sample, std::vector<std::uint8_t> bytes,
                 std::vector<std::int32_t> labels, std::vector<std::string> class_names)
    : name_(std::move(name)), size_(static_cast<std::int64_t>(labels.size())) {
  if (sample.elements() == 0 || std::cmp_not_equal(bytes.size(), size_ * sample.elements())) {
    fail(name_, "expected " + std::to_string(size_) + " samples " + sample.str() + ", got " +
                    std::to_string(bytes.size()) + " bytes");
  }
  check_labels(name_, size_, labels, class_names);
  auto content = std::make_shared<Content>();
  content->add_input(byte_column(sample, std::move(bytes)));
  content->add_target(label_column(std::move(labels)));
  content->format.class_names = std::move(class_names);
  content_ = std::move(content);
}

Dataset::Dataset(std::string name, std::vector<ColumnData> inputs, std::vector<ColumnData> targets,
                 std::vector<std::string> class_names)
    : name_(std::move(name)) {
  if (inputs.empty() || targets.empty()) fail(name_, "expected an input and a target or more");
  size_ = inputs[0].values.shape().rank() < 1 ? 0 : inputs[0].values.shape()[0];
  auto content = std::make_shared<Content>();
  bool labelled = false;
  for (ColumnData& input : inputs) {
    check_column(name_, input, size_);
    content->add_input(tensor_column(std::move(input.name), std::move(input.values)));
  }
  for (ColumnData& target : targets) {
    check_column(name_, target, size_);
    check_classes(name_, target, class_names.size());
    labelled |= target.values.dtype() == DType::i32;
    content->add_target(tensor_column(std::move(target.name), std::move(target.values)));
  }
  if (labelled == class_names.empty()) {
    fail(name_, "expected the names of classes for i32 targets and only for these, got " +
                    std::to_string(class_names.size()));
  }
  content->format.class_names = std::move(class_names);
  content_ = std::move(content);
}

Dataset Dataset::windows(std::string name, std::vector<std::uint8_t> text, std::int64_t length,
                         std::int64_t stride, std::vector<std::string> class_names) {
  const auto indices = static_cast<std::int64_t>(text.size());
  if (length < 1 || stride < 1 || indices < length + 1) {
    fail(name, "expected windows of 1 to " + std::to_string(indices - 1) +
                   " at a stride of 1 or more, got " + std::to_string(length) + " at " +
                   std::to_string(stride));
  }
  if (class_names.empty() || class_names.size() > 256 ||
      std::ranges::any_of(text, [&](std::uint8_t i) { return i >= class_names.size(); })) {
    fail(name, "expected the names of 1 to 256 classes, one for each index of the text, got " +
                   std::to_string(class_names.size()));
  }
  const auto shared = std::make_shared<const std::vector<std::uint8_t>>(std::move(text));
  auto content = std::make_shared<Content>();
  content->add_input(window_column("input", shared, 0, length, stride));
  content->add_target(window_column("labels", shared, 1, length, stride));
  content->format.class_names = std::move(class_names);
  return {std::move(name), (indices - 1 - length) / stride + 1, std::move(content)};
}

const std::vector<DataColumn>& Dataset::inputs() const noexcept { return content_->input_infos; }
const std::vector<DataColumn>& Dataset::targets() const noexcept { return content_->target_infos; }
const Shape& Dataset::sample_shape() const noexcept { return inputs()[0].sample; }
const Shape& Dataset::target_shape() const noexcept { return targets()[0].sample; }
const std::vector<std::string>& Dataset::class_names() const noexcept {
  return content_->format.class_names;
}

void Dataset::gather_input(std::size_t column, std::span<const std::int64_t> rows,
                           std::byte* to) const {
  content_->inputs[column]->gather(rows, to);
}

void Dataset::gather_target(std::size_t column, std::span<const std::int64_t> rows,
                            std::byte* to) const {
  content_->targets[column]->gather(rows, to);
}

void Dataset::gather_inputs(std::span<const std::int64_t> rows, float* to) const {
  gather_input(0, rows, reinterpret_cast<std::byte*>(to));
}

void Dataset::gather_labels(std::span<const std::int64_t> rows, std::int32_t* to) const {
  gather_target(0, rows, reinterpret_cast<std::byte*>(to));
}

void Dataset::gather_targets(std::span<const std::int64_t> rows, float* to) const {
  gather_target(0, rows, reinterpret_cast<std::byte*>(to));
}

std::string Dataset::sha256() const {
  io::Sha256 hash;
  hash.update(size_);
  for (const auto& column : content_->inputs) {
    update(hash, column->info().sample);
    hash.update(std::string_view(column->kept_as()));
    column->hash(size_, hash);
  }
  hash.update(classes());
  for (const auto& column : content_->targets) {
    const bool one_label = column->info().type == DType::i32 && column->info().sample.rank() == 0;
    if (one_label) column->hash(size_, hash);
    update(hash, column->info().sample);
    if (!one_label) column->hash(size_, hash);
  }
  return hash.hex();
}

Dataset Dataset::select(std::vector<std::int64_t> rows) const {
  for (const std::int64_t row : rows) {
    if (row >= 0 && row < size_) continue;
    fail(name_,
         "select: expected rows of [0," + std::to_string(size_) + "), got " + std::to_string(row));
  }
  const auto size = static_cast<std::int64_t>(rows.size());
  const auto shared = std::make_shared<const std::vector<std::int64_t>>(std::move(rows));
  auto content = std::make_shared<Content>();
  for (const auto& column : content_->inputs) content->add_input(selected_column(column, shared));
  for (const auto& column : content_->targets) content->add_target(selected_column(column, shared));
  content->format = content_->format;
  content->notes = content_->notes;
  return {name_, size, std::move(content)};
}

const RecordFormat& Dataset::record_format() const noexcept { return content_->format; }
const std::vector<std::string>& Dataset::notes() const noexcept { return content_->notes; }

Dataset Dataset::with_format(RecordFormat format, std::vector<std::string> notes) const {
  if (format.takes_records() && format.inputs() != sample_shape().elements()) {
    fail(name_, "expected a format of " + std::to_string(sample_shape().elements()) +
                    " inputs, got one of " + std::to_string(format.inputs()));
  }
  auto content = std::make_shared<Content>(*content_);
  format.class_names = content_->format.class_names;
  content->format = std::move(format);
  content->notes = std::move(notes);
  return {name_, size_, std::move(content)};
}

Dataset Dataset::reconstructing() const {
  auto content = std::make_shared<Content>();
  for (const auto& column : content_->inputs) {
    if (column->info().type != DType::f32) {
      fail(name_, "expected inputs of f32 to be targets, got " +
                      std::string(soma::name_of(column->info().type)));
    }
    content->add_input(column);
    content->add_target(column);
  }
  content->notes = content_->notes;
  return {name_, size_, std::move(content)};
}

Dataset Dataset::head(std::int64_t n) const {
  if (n < 0) fail(name_, "head: expected a count >= 0, got " + std::to_string(n));
  return {name_, std::min(n, size_), content_};
}

}  // namespace soma
