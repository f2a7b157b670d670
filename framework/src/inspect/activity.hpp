#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "soma/examination.hpp"

namespace soma {

/// Sums over the responses of one layer's units, batch after batch.
class Activity {
 public:
  struct Kind {
    std::int64_t units = 0;
    bool judged = false;  ///< unit by unit; else the layer as a whole
    std::string activation;
    std::int64_t samples = 0;  ///< that will come, for what to keep of them
    std::int64_t classes = 0;  ///< 0: no labels
  };
  explicit Activity(Kind kind);
  /// The responses of some samples, [samples * positions, units], and their classes, if any; a
  /// negative class counts for none.
  void add(std::span<const float> responses, std::int64_t samples,
           std::span<const std::int32_t> labels);
  /// Writes what it has seen into the layer's fields. `weights`: of unit u the numbers
  /// [u * n, (u + 1) * n), or empty.
  void finish(LayerExamination& to, std::span<const float> weights) const;

 private:
  std::size_t units() const { return static_cast<std::size_t>(kind_.units); }
  void add_rows(const float* row, std::int64_t rows);
  void keep_rows(const float* responses, std::int64_t positions);
  void finish_unit(std::size_t unit, UnitExamination& to) const;
  void find_twins(LayerExamination& to, std::span<const float> weights) const;

  Kind kind_;
  float silent_ = 0, low_, high_;
  std::int64_t seen_ = 0, responses_ = 0;  // samples, and responses of a unit
  // Of the sample at hand, by unit.
  std::vector<float> sum_, square_, fired_, flat_;
  // Over all, by unit.
  std::vector<float> least_, most_;
  std::vector<double> sums_, squares_, fires_, flats_;
  std::vector<std::int64_t> firing_samples_;
  double zeros_ = 0, not_finite_ = 0;
  std::vector<double> class_sums_;  // [class, unit] of mean responses
  std::vector<std::int64_t> class_counts_;
  std::vector<float> kept_;  // [response, unit]
};

/// For each unit the first unit before it that has the same numbers up to a factor, or -1. Unit u
/// has the row u of `rows`, [units, n]. Same: cosine of `least` or more, with `any_sign` in
/// magnitude. Rows of zeros, and units with skip[u], are nobody's twin.
std::vector<std::int64_t> twins_of(std::span<const float> rows, std::size_t units,
                                   const std::vector<bool>& skip, double least, bool any_sign);

}  // namespace soma
