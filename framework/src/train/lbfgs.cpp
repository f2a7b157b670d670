#include "soma/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>
#include <numeric>
#include <vector>

#include "train/trainer_state.hpp"

namespace soma {
namespace {

using Vector = std::vector<double>;

/// Canonical reduction order (numerics.md, 2) in float64.
double dot(std::span<const double> a, std::span<const double> b) {
  constexpr std::size_t kBlock = 4096, kLanes = 16;
  double total = 0;
  for (std::size_t begin = 0; begin < a.size(); begin += kBlock) {
    const std::size_t end = std::min(begin + kBlock, a.size());
    double lane[kLanes] = {};
    for (std::size_t i = begin; i < end; ++i) lane[(i - begin) % kLanes] += a[i] * b[i];
    for (std::size_t width = kLanes / 2; width > 0; width /= 2) {
      for (std::size_t j = 0; j < width; ++j) lane[j] += lane[j + width];
    }
    total += lane[0];
  }
  return total;
}

/// y <- y + a x
void add(double a, std::span<const double> x, std::span<double> y) {
  for (std::size_t i = 0; i < y.size(); ++i) y[i] += a * x[i];
}

double largest(std::span<const double> x) {
  double most = 0;
  for (const double v : x) most = std::max(most, std::abs(v));
  return most;
}

/// A point of the search, with what is known there.
struct Point {
  double step = 0, f = 0, slope = 0;  // along the direction
  Vector x, gradient;
};

/// The last pairs, and the direction that they make of a gradient (algorithm 7.4).
class History {
 public:
  explicit History(int most) : most_(static_cast<std::size_t>(std::max(1, most))) {}

  void add_pair(const Point& from, const Point& to) {
    Pair pair{to.x, to.gradient, 0};
    add(-1, from.x, pair.step);
    add(-1, from.gradient, pair.change);
    const double curvature = dot(pair.step, pair.change);
    if (!(curvature > 0)) return;  // the Wolfe conditions see to that, but for rounding
    pair.inverse_curvature = 1 / curvature;
    if (pairs_.size() == most_) pairs_.pop_front();
    pairs_.push_back(std::move(pair));
  }
  void clear() { pairs_.clear(); }
  bool empty() const { return pairs_.empty(); }

  Vector direction(const Vector& gradient) const {
    Vector q = gradient;
    Vector alpha(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      alpha[i] = pairs_[i].inverse_curvature * dot(pairs_[i].step, q);
      add(-alpha[i], pairs_[i].change, q);
    }
    if (!pairs_.empty()) {
      const Pair& last = pairs_.back();
      const double scale = 1 / (last.inverse_curvature * dot(last.change, last.change));
      for (double& v : q) v *= scale;
    }
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const double beta = pairs_[i].inverse_curvature * dot(pairs_[i].change, q);
      add(alpha[i] - beta, pairs_[i].step, q);
    }
    for (double& v : q) v = -v;
    return q;
  }

 private:
  struct Pair {
    Vector step, change;
    double inverse_curvature;
  };
  std::size_t most_;
  std::deque<Pair> pairs_;
};

/// Finds a point that satisfies the strong Wolfe conditions (algorithms 3.5 and 3.6).
class LineSearch {
 public:
  LineSearch(const Lbfgs::Function& f, const Point& start, const Vector& direction,
             int& evaluations)
      : f_(f), start_(start), direction_(direction), evaluations_(evaluations) {}

  /// False if there is none within reach; `found` is then the lowest point seen, which may be the
  /// start.
  bool run(double step, Point& found) {
    Point before = start_;
    before.step = 0;
    for (int i = 0; i < kMost; ++i) {
      Point point = at(step);
      if (!descends(point) || (i > 0 && point.f >= before.f)) return zoom(before, point, found);
      if (flat(point)) return take(point, found);
      if (point.slope >= 0) return zoom(point, before, found);
      step = 2 * point.step;
      before = std::move(point);
    }
    take(before, found);
    return false;
  }

 private:
  static constexpr int kMost = 30;
  static constexpr double kDecrease = 1e-4, kCurvature = 0.9;

  Point at(double step) {
    Point p;
    p.step = step;
    p.x = start_.x;
    add(step, direction_, p.x);
    p.gradient.resize(p.x.size());
    p.f = f_(p.x, p.gradient);
    p.slope = dot(p.gradient, direction_);
    ++evaluations_;
    return p;
  }
  bool descends(const Point& p) const {
    return p.f <= start_.f + kDecrease * p.step * start_.slope;  // false for NaN
  }
  bool flat(const Point& p) const { return std::abs(p.slope) <= -kCurvature * start_.slope; }
  static bool take(Point& p, Point& found) {
    found = std::move(p);
    return true;
  }

  /// `low` satisfies the decrease; a minimum lies between it and `high`.
  bool zoom(Point low, Point high, Point& found) {
    for (int i = 0; i < kMost; ++i) {
      Point p = at(between(low, high));
      if (p.step == low.step || p.step == high.step) break;
      if (!descends(p) || p.f >= low.f) {
        high = std::move(p);
        continue;
      }
      if (flat(p)) return take(p, found);
      if (p.slope * (high.step - low.step) >= 0) high = std::move(low);
      low = std::move(p);
    }
    take(low, found);
    return false;
  }
  /// The minimum of the cubic through both ends (equation 3.59), but well inside.
  static double between(const Point& low, const Point& high) {
    const double width = high.step - low.step, middle = low.step + width / 2;
    const double d1 = low.slope + high.slope - 3 * (low.f - high.f) / (low.step - high.step);
    const double square = d1 * d1 - low.slope * high.slope;
    if (!(square >= 0)) return middle;
    const double d2 = std::copysign(std::sqrt(square), width);
    const double step =
        high.step - width * (high.slope + d2 - d1) / (high.slope - low.slope + 2 * d2);
    const double share = (step - low.step) / width;
    return share > 0.1 && share < 0.9 ? step : middle;
  }

  const Lbfgs::Function& f_;
  const Point& start_;
  const Vector& direction_;
  int& evaluations_;
};

}  // namespace

Lbfgs::Result Lbfgs::minimize(const Function& f, std::span<double> x) const {
  Result result;
  History past(history);
  Point here;
  here.x.assign(x.begin(), x.end());
  here.gradient.resize(x.size());
  here.f = f(here.x, here.gradient);
  result.evaluations = 1;
  const auto finish = [&](End end) {
    std::ranges::copy(here.x, x.begin());
    result.loss = here.f;
    result.gradient = largest(here.gradient);
    result.end = end;
    return result;
  };
  while (result.iterations < iterations) {
    if (largest(here.gradient) <= gradient_tolerance) return finish(End::gradient);
    Vector direction = past.direction(here.gradient);
    here.slope = dot(here.gradient, direction);
    if (!(here.slope < 0)) {  // rounding has spoilt the history
      if (past.empty()) return finish(End::precision);
      past.clear();
      continue;
    }
    // A first step has no scale of its own.
    const double step = past.empty() ? std::min(1.0, 1 / largest(here.gradient)) : 1.0;
    Point next;
    const bool found = LineSearch(f, here, direction, result.evaluations).run(step, next);
    if (!(next.f < here.f)) {
      if (past.empty()) return finish(End::precision);
      past.clear();
      continue;
    }
    ++result.iterations;
    const double change = here.f - next.f;
    if (found) past.add_pair(here, next);
    here = std::move(next);
    if (change <= change_tolerance * std::abs(here.f)) return finish(End::change);
  }
  return finish(largest(here.gradient) <= gradient_tolerance ? End::gradient : End::iterations);
}

namespace {

/// The loss of a model on a whole data set as a function of its trainable numbers.
class WholeLoss {
 public:
  // With rate 0 and momentum 1 a step of SGD changes no weight and leaves the gradient in a
  // velocity that was 0.
  WholeLoss(Model& model, const Backend& backend, const Dataset& data, int threads)
      : model_(model),
        state_(model, backend,
               {.optimizer = Sgd{.learning_rate = 0, .momentum = 1},
                .threads = threads,
                .nan_check = NanCheck::none}),
        data_(data),
        rows_(static_cast<std::size_t>(data.size())) {
    require_fit(model, data);
    std::iota(rows_.begin(), rows_.end(), std::int64_t{0});
  }

  Vector weights() const {
    Vector x;
    for (const Parameter& p : std::as_const(model_).parameters()) {
      if (p.trainable) x.insert(x.end(), p.value.as<float>().begin(), p.value.as<float>().end());
    }
    return x;
  }
  void set_weights(std::span<const double> x) {
    for (Parameter& p : model_.parameters()) {
      if (!p.trainable) continue;
      const auto values = p.value.as<float>();
      std::ranges::transform(x.first(values.size()), values.begin(),
                             [](double v) { return static_cast<float>(v); });
      x = x.subspan(values.size());
      ++p.version;
    }
  }
  double operator()(std::span<const double> x, std::span<double> gradient) {
    set_weights(x);
    for (auto& slots : state_.optimizer.slots) {
      for (Tensor& slot : slots) std::ranges::fill(slot.as<float>(), 0.0f);
    }
    auto& program = state_.training_program(data_.size());
    state_.load_batch(program, data_, rows_);
    state_.progress.step = 0;  // the same random numbers each time
    const double loss = state_.update(program, {});
    auto to = gradient.begin();
    for (const auto& slots : state_.optimizer.slots) {
      for (const Tensor& slot : slots) to = std::ranges::copy(slot.as<float>(), to).out;
    }
    return loss;
  }

 private:
  Model& model_;
  Trainer::State state_;
  const Dataset& data_;
  std::vector<std::int64_t> rows_;
};

}  // namespace

Lbfgs::Result Lbfgs::fit(Model& model, const Backend& backend, const Dataset& data,
                         int threads) const {
  WholeLoss loss(model, backend, data, threads);
  Vector x = loss.weights();
  const Result result = minimize(
      [&](std::span<const double> at, std::span<double> gradient) { return loss(at, gradient); },
      x);
  loss.set_weights(x);
  return result;
}

}  // namespace soma
