#include "inspect/activity.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace soma {
namespace {

constexpr std::int64_t kKeptResponses = 1024;  // of each unit, to compare it with others
constexpr float kNearZero = 1e-6f;
constexpr std::size_t kLanes = 16;

/// Zero exactly, where the activation says so, or never.
bool is_exact(const std::string& activation) {
  return activation.empty() || activation == "relu" || activation == "relu6" ||
         activation == "hard_sigmoid" || activation == "hard_swish" || activation == "step" ||
         activation == "leaky_relu" || activation == "prelu" || activation == "identity";
}

/// A position for the i-th response that is kept, scattered evenly over all (Weyl's sequence).
std::int64_t position_of(std::int64_t i, std::int64_t positions) {
  constexpr double kGolden = 0.61803398874989485;
  const double t = static_cast<double>(i) * kGolden;
  return static_cast<std::int64_t>((t - std::floor(t)) * static_cast<double>(positions));
}

double dot(const float* a, const float* b, std::size_t n) {
  float lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t l = 0; l < kLanes; ++l) lanes[l] += a[i + l] * b[i + l];
  }
  double sum = 0;
  for (const float lane : lanes) sum += lane;
  for (; i < n; ++i) sum += double{a[i]} * b[i];
  return sum;
}

}  // namespace

Activity::Activity(Kind kind) : kind_(std::move(kind)) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  silent_ = is_exact(kind_.activation) ? 0.0f : kNearZero;
  low_ = -kInfinity, high_ = kInfinity;
  if (const auto bounds = bounds_of(kind_.activation)) {
    const double margin = kSaturationMargin * (bounds->high - bounds->low);
    low_ = static_cast<float>(bounds->low + margin);
    high_ = static_cast<float>(bounds->high - margin);
  }
  for (auto* of_unit : {&sum_, &square_, &fired_, &flat_}) of_unit->resize(units());
  for (auto* of_unit : {&sums_, &squares_, &fires_, &flats_}) of_unit->resize(units());
  least_.assign(units(), kInfinity);
  most_.assign(units(), -kInfinity);
  firing_samples_.resize(units());
  class_sums_.resize(static_cast<std::size_t>(kind_.classes) * units());
  class_counts_.resize(static_cast<std::size_t>(kind_.classes));
}

void Activity::add_rows(const float* row, std::int64_t rows) {
  const std::size_t n = units();
  for (auto* of_unit : {&sum_, &square_, &fired_, &flat_}) std::ranges::fill(*of_unit, 0.0f);
  float *sum = sum_.data(), *square = square_.data(), *fired = fired_.data(), *flat = flat_.data();
  float *least = least_.data(), *most = most_.data();
  const float silent = silent_, low = low_, high = high_;
  for (std::int64_t r = 0; r < rows; ++r, row += n) {
    for (std::size_t u = 0; u < n; ++u) {
      const float x = row[u];
      sum[u] += x;
      square[u] += x * x;
      fired[u] += std::fabs(x) > silent ? 1.0f : 0.0f;
      flat[u] += (x < low ? 1.0f : 0.0f) + (x > high ? 1.0f : 0.0f);
      least[u] = x < least[u] ? x : least[u];
      most[u] = x > most[u] ? x : most[u];
    }
  }
}

void Activity::keep_rows(const float* responses, std::int64_t positions) {
  const std::int64_t total = kind_.samples;
  // Responses that should be kept before and after this sample.
  const auto due = [&](std::int64_t samples) {
    return std::min(total * positions, kKeptResponses) * samples / total;
  };
  const std::int64_t first = due(seen_), last = due(seen_ + 1);
  for (std::int64_t i = first; i < last; ++i) {
    const bool all = last - first >= positions;
    const float* row =
        responses + static_cast<std::size_t>(all ? i - first : position_of(i, positions)) * units();
    kept_.insert(kept_.end(), row, row + units());
  }
}

void Activity::add(std::span<const float> responses, std::int64_t samples,
                   std::span<const std::int32_t> labels) {
  const std::int64_t positions = std::ssize(responses) / samples / kind_.units;
  const float* at = responses.data();
  for (std::int64_t s = 0; s < samples; ++s, ++seen_) {
    add_rows(at, positions);
    for (std::size_t u = 0; u < units(); ++u) {
      if (!std::isfinite(sum_[u])) {
        not_finite_ += static_cast<double>(positions);
        if (!kind_.judged) continue;
      }
      sums_[u] += sum_[u];
      squares_[u] += square_[u];
      fires_[u] += fired_[u];
      flats_[u] += flat_[u];
      firing_samples_[u] += fired_[u] > 0;
    }
    if (kind_.judged) {
      keep_rows(at, positions);
      const std::int32_t label = labels.empty() ? -1 : labels[static_cast<std::size_t>(s)];
      if (label >= 0 && label < kind_.classes) {
        double* to = class_sums_.data() + static_cast<std::size_t>(label) * units();
        for (std::size_t u = 0; u < units(); ++u) to[u] += sum_[u] / static_cast<double>(positions);
        ++class_counts_[static_cast<std::size_t>(label)];
      }
    }
    at += positions * kind_.units;
  }
  responses_ += samples * positions;
}

void Activity::finish_unit(std::size_t u, UnitExamination& to) const {
  const auto n = static_cast<double>(responses_);
  to.mean = sums_[u] / n;
  to.deviation = std::sqrt(std::max(0.0, squares_[u] / n - to.mean * to.mean));
  to.minimum = least_[u];
  to.maximum = most_[u];
  to.firing = fires_[u] / n;
  to.firing_samples = static_cast<double>(firing_samples_[u]) / static_cast<double>(seen_);
  to.saturated = flats_[u] / n;
  to.is_dead = fires_[u] == 0;
  to.is_rare = !to.is_dead && to.firing_samples < kRareSamples;
  to.is_saturated = to.saturated > kSaturatedResponses;
  double total = 0, best = -std::numeric_limits<double>::infinity(), count = 0, best_sum = 0;
  double best_count = 0;
  for (std::size_t c = 0; c < class_counts_.size(); ++c) {
    if (class_counts_[c] == 0) continue;
    const double sum = class_sums_[c * units() + u], of = static_cast<double>(class_counts_[c]);
    total += sum;
    count += of;
    if (sum / of <= best) continue;
    best = sum / of;
    best_sum = sum;
    best_count = of;
    to.preferred = static_cast<std::int64_t>(c);
  }
  if (to.preferred < 0 || count == best_count) return;
  const double rest = (total - best_sum) / (count - best_count);
  const double scale = std::fabs(best) + std::fabs(rest);
  if (scale > 0) to.selectivity = (best - rest) / scale;
}

void Activity::find_twins(LayerExamination& to, std::span<const float> weights) const {
  std::vector<bool> skip(units());
  for (std::size_t u = 0; u < units(); ++u) {
    skip[u] = to.units[u].is_dead || to.units[u].is_saturated || to.units[u].deviation == 0;
  }
  // Responses unit by unit, less their mean: the cosine is then the correlation.
  const std::size_t n = kept_.size() / units();
  std::vector<float> rows(kept_.size());
  for (std::size_t u = 0; u < units(); ++u) {
    double mean = 0;
    for (std::size_t r = 0; r < n; ++r) mean += kept_[r * units() + u];
    mean /= static_cast<double>(n);
    for (std::size_t r = 0; r < n; ++r) {
      rows[u * n + r] = static_cast<float>(kept_[r * units() + u] - mean);
    }
  }
  if (static_cast<std::int64_t>(n) < kFewResponses) skip.assign(units(), true);
  const auto alike = twins_of(rows, units(), skip, kTwinResponses, true);
  std::vector<std::int64_t> heavy(units(), -1);
  if (weights.size() / units() > 1) {
    heavy = twins_of(weights, units(), std::vector<bool>(units()), kTwinWeights, false);
  }
  for (std::size_t u = 0; u < units(); ++u) {
    UnitExamination& unit = to.units[u];
    unit.twin_by_weights = heavy[u] >= 0;
    unit.twin = heavy[u] >= 0 ? heavy[u] : alike[u];
    to.duplicates += unit.twin >= 0;
  }
}

void Activity::finish(LayerExamination& to, std::span<const float> weights) const {
  double sum = 0, squares = 0, fires = 0;
  for (std::size_t u = 0; u < units(); ++u) {
    sum += sums_[u];
    squares += squares_[u];
    fires += fires_[u];
  }
  const double n = static_cast<double>(responses_) * static_cast<double>(kind_.units);
  if (n == 0) return;
  to.mean = sum / n;
  to.deviation = std::sqrt(std::max(0.0, squares / n - to.mean * to.mean));
  to.zeros = 1 - fires / n;
  to.not_finite = static_cast<std::int64_t>(not_finite_);
  if (!kind_.judged) return;
  to.units.resize(units());
  for (std::size_t u = 0; u < units(); ++u) {
    finish_unit(u, to.units[u]);
    to.dead += to.units[u].is_dead;
    to.rare += to.units[u].is_rare;
    to.saturated += to.units[u].is_saturated;
  }
  find_twins(to, weights);
}

std::vector<std::int64_t> twins_of(std::span<const float> rows, std::size_t units,
                                   const std::vector<bool>& skip, double least, bool any_sign) {
  const std::size_t n = units == 0 ? 0 : rows.size() / units;
  std::vector<double> norms(units);
  for (std::size_t u = 0; u < units; ++u) {
    norms[u] = std::sqrt(dot(&rows[u * n], &rows[u * n], n));
  }
  std::vector<std::int64_t> twins(units, -1);
  for (std::size_t u = 1; u < units; ++u) {
    if (skip[u] || !(norms[u] > 0)) continue;
    for (std::size_t v = 0; v < u && twins[u] < 0; ++v) {
      if (skip[v] || twins[v] >= 0 || !(norms[v] > 0)) continue;
      const double cosine = dot(&rows[u * n], &rows[v * n], n) / (norms[u] * norms[v]);
      if ((any_sign ? std::fabs(cosine) : cosine) >= least) twins[u] = static_cast<std::int64_t>(v);
    }
  }
  return twins;
}

}  // namespace soma
