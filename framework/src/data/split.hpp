#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/spec.hpp"
#include "soma/dataset.hpp"

namespace soma::data {

/// Which samples are for what, in ascending order.
struct SplitRows {
  std::vector<std::int64_t> train, validation, test;
};

/// Splits n samples, each class alone where there are labels (empty, or n of them; negative ones
/// are a class too). Throws ShapeError if the training part would be empty.
SplitRows split_rows(std::int64_t n, std::span<const std::int32_t> labels,
                     const SplitOptions& options);

/// The options test, validation, split and seed of a SPEC.
SplitOptions split_options(Spec& spec, std::uint64_t seed, SplitOptions otherwise = {});

}  // namespace soma::data
