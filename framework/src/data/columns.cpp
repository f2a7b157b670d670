#include "data/columns.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

namespace soma {
namespace {

class TensorColumn final : public Column {
 public:
  TensorColumn(std::string name, Tensor values)
      : Column({std::move(name), values.shape().from(1), values.dtype()}),
        values_(std::move(values)),
        row_bytes_(static_cast<std::size_t>(info().sample.elements()) * size_bytes(info().type)) {}

  void gather(std::span<const std::int64_t> rows, std::byte* to) const override {
    for (const std::int64_t i : rows) {
      to = std::copy_n(values_.data() + static_cast<std::size_t>(i) * row_bytes_, row_bytes_, to);
    }
  }
  void hash(std::int64_t n, io::Sha256& to) const override {
    to.update({values_.data(), static_cast<std::size_t>(n) * row_bytes_});
  }
  const char* kept_as() const noexcept override { return name_of(info().type); }

 private:
  Tensor values_;
  std::size_t row_bytes_;
};

class LabelColumn final : public Column {
 public:
  explicit LabelColumn(std::vector<std::int32_t> labels)
      : Column({"labels", {}, DType::i32}), labels_(std::move(labels)) {}

  void gather(std::span<const std::int64_t> rows, std::byte* to) const override {
    auto* label = reinterpret_cast<std::int32_t*>(to);
    for (const std::int64_t i : rows) *label++ = labels_[static_cast<std::size_t>(i)];
  }
  void hash(std::int64_t n, io::Sha256& to) const override {
    to.update(std::as_bytes(std::span(labels_).first(static_cast<std::size_t>(n))));
  }
  const char* kept_as() const noexcept override { return "i32"; }

 private:
  std::vector<std::int32_t> labels_;
};

/// byte / 255 for every byte.
constexpr std::array<float, 256> kUnit = [] {
  std::array<float, 256> table{};
  for (std::size_t i = 0; i < table.size(); ++i) table[i] = static_cast<float>(i) / 255.0f;
  return table;
}();

class ByteColumn final : public Column {
 public:
  ByteColumn(Shape sample, std::vector<std::uint8_t> bytes)
      : Column({"input", sample, DType::f32}), bytes_(std::move(bytes)) {}

  void gather(std::span<const std::int64_t> rows, std::byte* to) const override {
    const auto row = static_cast<std::size_t>(info().sample.elements());
    auto* unit = reinterpret_cast<float*>(to);
    for (const std::int64_t i : rows) {
      const std::uint8_t* from = bytes_.data() + static_cast<std::size_t>(i) * row;
      unit = std::transform(from, from + row, unit, [](std::uint8_t byte) { return kUnit[byte]; });
    }
  }
  void hash(std::int64_t n, io::Sha256& to) const override {
    const auto bytes = static_cast<std::size_t>(n * info().sample.elements());
    to.update(std::as_bytes(std::span(bytes_).first(bytes)));
  }
  const char* kept_as() const noexcept override { return "u8"; }

 private:
  std::vector<std::uint8_t> bytes_;
};

class WindowColumn final : public Column {
 public:
  WindowColumn(std::string name, std::shared_ptr<const std::vector<std::uint8_t>> text,
               std::int64_t offset, std::int64_t length, std::int64_t stride)
      : Column({std::move(name), {length}, DType::i32}),
        text_(std::move(text)),
        offset_(offset),
        stride_(stride) {}

  void gather(std::span<const std::int64_t> rows, std::byte* to) const override {
    auto* index = reinterpret_cast<std::int32_t*>(to);
    for (const std::int64_t i : rows) {
      index = std::copy_n(text_->data() + i * stride_ + offset_, info().sample[0], index);
    }
  }
  void hash(std::int64_t n, io::Sha256& to) const override {
    to.update(n);
    to.update(stride_);
    to.update(offset_);
    const std::int64_t end = n == 0 ? 0 : (n - 1) * stride_ + info().sample[0] + offset_;
    to.update(std::as_bytes(std::span(*text_).first(static_cast<std::size_t>(end))));
  }
  const char* kept_as() const noexcept override { return "text"; }

 private:
  std::shared_ptr<const std::vector<std::uint8_t>> text_;
  std::int64_t offset_, stride_;
};

class SelectedColumn final : public Column {
 public:
  SelectedColumn(std::shared_ptr<const Column> from,
                 std::shared_ptr<const std::vector<std::int64_t>> rows)
      : Column(from->info()), from_(std::move(from)), rows_(std::move(rows)) {}

  void gather(std::span<const std::int64_t> rows, std::byte* to) const override {
    const std::size_t row_bytes =
        static_cast<std::size_t>(info().sample.elements()) * size_bytes(info().type);
    std::array<std::int64_t, 64> picked;
    while (!rows.empty()) {
      const auto some = rows.first(std::min(rows.size(), picked.size()));
      std::ranges::transform(some, picked.begin(),
                             [&](std::int64_t i) { return (*rows_)[static_cast<std::size_t>(i)]; });
      from_->gather(std::span(picked).first(some.size()), to);
      to += some.size() * row_bytes;
      rows = rows.subspan(some.size());
    }
  }
  void hash(std::int64_t n, io::Sha256& to) const override {
    std::vector<std::byte> row(static_cast<std::size_t>(info().sample.elements()) *
                               size_bytes(info().type));
    for (std::int64_t i = 0; i < n; ++i) {
      gather({&i, 1}, row.data());
      to.update(row);
    }
  }
  const char* kept_as() const noexcept override { return name_of(info().type); }

 private:
  std::shared_ptr<const Column> from_;
  std::shared_ptr<const std::vector<std::int64_t>> rows_;
};

}  // namespace

std::unique_ptr<Column> selected_column(std::shared_ptr<const Column> from,
                                        std::shared_ptr<const std::vector<std::int64_t>> rows) {
  return std::make_unique<SelectedColumn>(std::move(from), std::move(rows));
}

std::unique_ptr<Column> tensor_column(std::string name, Tensor values) {
  return std::make_unique<TensorColumn>(std::move(name), std::move(values));
}

std::unique_ptr<Column> label_column(std::vector<std::int32_t> labels) {
  return std::make_unique<LabelColumn>(std::move(labels));
}

std::unique_ptr<Column> byte_column(Shape sample, std::vector<std::uint8_t> bytes) {
  return std::make_unique<ByteColumn>(sample, std::move(bytes));
}

std::unique_ptr<Column> window_column(std::string name,
                                      std::shared_ptr<const std::vector<std::uint8_t>> text,
                                      std::int64_t offset, std::int64_t length,
                                      std::int64_t stride) {
  return std::make_unique<WindowColumn>(std::move(name), std::move(text), offset, length, stride);
}

}  // namespace soma
