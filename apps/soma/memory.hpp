#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "soma/backend.hpp"
#include "soma/dataset.hpp"
#include "soma/trainer.hpp"

/// The memory that a model needs, in bytes.
struct MemoryNeeds {
  std::int64_t inference_batch = 1, batch = 1;
  std::size_t inference = 0;  ///< activations and workspaces of a prediction
  soma::Trainer::MemoryPlan training;
  std::size_t training_total = 0;  ///< parameters, optimizer state, plans, batches read ahead

  /// With data, what `soma train` will have resident at most.
  struct Process {
    std::size_t own = 0;   ///< program, libraries, prepared kernels: as they are in this process
    std::size_t data = 0;  ///< the data set in memory
    std::size_t checkpoint = 0;  ///< the copy that is being written
    std::size_t loading = 0;     ///< the peak while it was loaded
    std::size_t peak = 0;        ///< predicted
  };
  std::optional<Process> process;
};

/// A data set, and what it and loading it took of memory.
struct MeasuredData {
  soma::DataSplit split;
  std::size_t bytes = 0, loading_peak = 0;

  explicit MeasuredData(const std::string& spec);
};

/// Compiles the model for training and prediction and reads the plans; `data`, if not null, are
/// those that fit it and are trained on. Initialises a model without weights.
MemoryNeeds memory_needs(soma::Model& model, const soma::Backend& backend,
                         const soma::Optimizer& optimizer, std::int64_t batch,
                         std::int64_t inference_batch, const MeasuredData* data);

/// Resident bytes of this process, now and at most so far; 0 where the system does not tell.
std::size_t resident_bytes();
std::size_t peak_resident_bytes();

/// "1.63 MiB"
std::string bytes_text(std::size_t bytes);
