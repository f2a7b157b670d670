#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "soma/dataset.hpp"
#include "soma/error.hpp"
#include "soma/model.hpp"
#include "train/data_fit.hpp"

namespace soma {

/// Rows of a data set as the batches that a model takes.
class DataBatches {
 public:
  /// Throws ShapeError unless the data's inputs are the model's.
  DataBatches(const Model& model, const Dataset& data) : data_(data), losses_(model.losses()) {
    const auto& wanted = model.inputs();
    if (wanted.size() != data.inputs().size()) {
      throw ShapeError("data '" + data.name() + "': expected " + std::to_string(wanted.size()) +
                       " inputs, got " + std::to_string(data.inputs().size()));
    }
    for (const ModelInput& input : wanted) {
      auto at = std::ranges::find(data.inputs(), input.name, &DataColumn::name);
      if (wanted.size() == 1) at = data.inputs().begin();
      if (at == data.inputs().end() || !takes(input, *at)) {
        throw ShapeError("data '" + data.name() + "': expected an input '" + input.name + "' " +
                         input.shape.str() + " of " + name_of(input.type) +
                         (at == data.inputs().end() ? "" : ", got " + at->sample.str()));
      }
      columns_.push_back(static_cast<std::size_t>(at - data.inputs().begin()));
    }
  }

  /// The inputs of the rows, and their targets in the order of the data, as the model's losses take
  /// them; valid until the next call.
  std::span<const TensorView> inputs(std::span<const std::int64_t> rows) {
    bytes_.resize(columns_.size());
    views_.clear();
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const DataColumn& column = data_.inputs()[columns_[i]];
      read(bytes_[i], column, rows,
           [&](std::byte* to) { data_.gather_input(columns_[i], rows, to); });
      views_.push_back(view(bytes_[i], column.type));
    }
    return views_;
  }
  std::span<const TensorView> targets(std::span<const std::int64_t> rows) {
    target_bytes_.resize(data_.targets().size());
    target_views_.clear();
    for (std::size_t i = 0; i < target_bytes_.size(); ++i) {
      const DataColumn& column = data_.targets()[i];
      read(target_bytes_[i], column, rows,
           [&](std::byte* to) { data_.gather_target(i, rows, to); });
      const bool numbers =
          column.type == DType::i32 && i < losses_.size() && !losses_[i].loss.takes_classes();
      if (numbers) number_classes(losses_[i].loss, target_bytes_[i]);
      target_views_.push_back(view(target_bytes_[i], numbers ? DType::f32 : column.type));
    }
    return target_views_;
  }

  /// All rows, `batch` at a time.
  template <class Each>
  void each(std::int64_t batch, Each&& visit) {
    std::vector<std::int64_t> rows;
    for (std::int64_t first = 0; first < data_.size(); first += batch) {
      rows.resize(static_cast<std::size_t>(std::min(batch, data_.size() - first)));
      std::iota(rows.begin(), rows.end(), first);
      visit(std::span<const std::int64_t>(rows));
    }
  }

 private:
  template <class Gather>
  static void read(std::vector<std::byte>& to, const DataColumn& column,
                   std::span<const std::int64_t> rows, Gather&& gather) {
    to.resize(rows.size() * static_cast<std::size_t>(column.sample.elements()) * 4);
    gather(to.data());
  }
  static TensorView view(const std::vector<std::byte>& bytes, DType type) {
    const std::size_t n = bytes.size() / 4;
    if (type == DType::i32) {
      return std::span(reinterpret_cast<const std::int32_t*>(bytes.data()), n);
    }
    return std::span(reinterpret_cast<const float*>(bytes.data()), n);
  }

  const Dataset& data_;
  std::vector<OutputLoss> losses_;
  std::vector<std::size_t> columns_;  // of the data, per input of the model
  std::vector<std::vector<std::byte>> bytes_, target_bytes_;
  std::vector<TensorView> views_, target_views_;
};

}  // namespace soma
