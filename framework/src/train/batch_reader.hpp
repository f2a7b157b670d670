#pragma once

#include <array>
#include <atomic>
#include <exception>
#include <optional>
#include <thread>
#include <vector>

#include "soma/augmentation.hpp"
#include "soma/dataset.hpp"

namespace soma {

/// The batches of training in their order, read and augmented ahead of the steps by a thread of its
/// own; small ones by the caller, who would wait longer for a thread than for the data. Both give
/// the same bytes. After the first epoch has begun, nothing is allocated but the next epoch's
/// order.
class BatchReader {
 public:
  struct Task {
    const Dataset& data;
    const Augmentation& augmentation;
    std::uint64_t seed;
    std::int64_t batch;        ///< samples, all but the last of an epoch
    std::int64_t epoch, step;  ///< the first batch: the step within its epoch
    std::int64_t steps;        ///< how many batches in all
  };
  struct Batch {
    std::int64_t rows = 0;
    std::vector<AlignedBytes> inputs, targets;  ///< of each column, room for task.batch samples
  };

  explicit BatchReader(const Task& task);
  ~BatchReader();
  BatchReader(const BatchReader&) = delete;
  BatchReader& operator=(const BatchReader&) = delete;

  /// The next batch, which lasts until the next call; to be called task.steps times at most.
  /// Rethrows what reading threw.
  const Batch& next();

 private:
  enum State : int { free, full, closed };
  struct Slot {
    Batch batch;
    std::exception_ptr error;
    std::atomic<int> state{free};
  };

  void read_ahead();
  void read(Batch& batch);

  Task task_;
  std::vector<std::int64_t> order_;
  std::optional<std::int64_t> order_epoch_;
  std::vector<float> spare_;  // one sample, for augmentation
  std::array<Slot, 2> slots_;
  std::int64_t taken_ = 0;  // batches handed out
  std::jthread thread_;
};

}  // namespace soma
