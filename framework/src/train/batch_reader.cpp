#include "train/batch_reader.hpp"

#include <algorithm>

#include "train/batches.hpp"

namespace soma {
namespace {

constexpr std::size_t kWorthAThread = 1 << 16;  // bytes of a batch

std::size_t sample_bytes(const DataColumn& column) {
  return static_cast<std::size_t>(column.sample.elements()) * size_bytes(column.type);
}

}  // namespace

BatchReader::BatchReader(const Task& task) : task_(task) {
  std::size_t bytes = 0;
  const auto batch = static_cast<std::size_t>(task_.batch);
  for (Slot& slot : slots_) {
    for (const DataColumn& c : task_.data.inputs()) {
      slot.batch.inputs.emplace_back(batch * sample_bytes(c));
    }
    for (const DataColumn& c : task_.data.targets()) {
      slot.batch.targets.emplace_back(batch * sample_bytes(c));
    }
  }
  if (task_.step * task_.batch >= task_.data.size()) {  // an epoch had just ended
    task_.step = 0;
    ++task_.epoch;
  }
  for (const AlignedBytes& input : slots_[0].batch.inputs) bytes += input.size();
  if (task_.augmentation.any()) {
    spare_.resize(static_cast<std::size_t>(task_.data.sample_shape().elements()));
  }
  if (bytes >= kWorthAThread && task_.steps > 1) thread_ = std::jthread([this] { read_ahead(); });
}

BatchReader::~BatchReader() {
  if (!thread_.joinable()) return;
  for (Slot& slot : slots_) {
    slot.state = closed;
    slot.state.notify_all();
  }
  thread_.join();
}

void BatchReader::read_ahead() {
  for (std::int64_t i = 0; i < task_.steps; ++i) {
    Slot& slot = slots_[static_cast<std::size_t>(i % 2)];
    slot.state.wait(full);
    if (slot.state == closed) return;
    try {
      read(slot.batch);
    } catch (...) {
      slot.error = std::current_exception();
    }
    int expected = free;
    if (!slot.state.compare_exchange_strong(expected, full)) return;  // closed meanwhile
    slot.state.notify_all();
    if (slot.error) return;
  }
}

const BatchReader::Batch& BatchReader::next() {
  Slot& slot = slots_[static_cast<std::size_t>(taken_ % 2)];
  if (!thread_.joinable()) {
    read(slot.batch);
    return slot.batch;
  }
  if (taken_ > 0) {
    Slot& before = slots_[static_cast<std::size_t>((taken_ - 1) % 2)];
    before.state = free;
    before.state.notify_all();
  }
  slot.state.wait(free);
  if (slot.error) std::rethrow_exception(slot.error);
  ++taken_;
  return slot.batch;
}

void BatchReader::read(Batch& batch) {
  const std::int64_t n = task_.data.size();
  if (order_epoch_ != task_.epoch) {
    order_ = epoch_order(n, task_.seed, task_.epoch);
    order_epoch_ = task_.epoch;
  }
  const std::int64_t first = task_.step * task_.batch;
  batch.rows = std::min(task_.batch, n - first);
  const std::span rows(order_.data() + first, static_cast<std::size_t>(batch.rows));
  for (std::size_t i = 0; i < batch.inputs.size(); ++i) {
    task_.data.gather_input(i, rows, batch.inputs[i].data());
  }
  for (std::size_t i = 0; i < batch.targets.size(); ++i) {
    task_.data.gather_target(i, rows, batch.targets[i].data());
  }
  if (task_.augmentation.any()) {
    const Shape& sample = task_.data.sample_shape();
    const auto size = static_cast<std::size_t>(batch.rows * sample.elements());
    task_.augmentation.apply({reinterpret_cast<float*>(batch.inputs[0].data()), size}, sample, rows,
                             task_.seed, task_.epoch, spare_);
  }
  ++task_.step;
  if (task_.step * task_.batch >= n) {
    task_.step = 0;
    ++task_.epoch;
  }
}

}  // namespace soma
