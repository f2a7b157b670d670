#include "principal_components.hpp"

#include <cmath>
#include <numeric>
#include <vector>

namespace {

using Vector = std::vector<double>;

double dot(const Vector& a, const Vector& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

Vector sample_of(const soma::Dataset& data, std::int64_t row) {
  std::vector<float> values(static_cast<std::size_t>(data.sample_shape().elements()));
  data.gather_inputs({&row, 1}, values.data());
  return {values.begin(), values.end()};
}

/// x without what the directions, which are orthonormal, say of it.
void remove(const std::vector<Vector>& directions, Vector& x) {
  for (const Vector& d : directions) {
    const double length = dot(d, x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= length * d[i];
  }
}

}  // namespace

double principal_components_error(const soma::DataSplit& data, std::int64_t width) {
  const auto n = static_cast<std::size_t>(data.train.sample_shape().elements());
  Vector mean(n, 0.0);
  std::vector<Vector> covariance(n, Vector(n, 0.0));
  for (std::int64_t row = 0; row < data.train.size(); ++row) {
    const Vector x = sample_of(data.train, row);
    for (std::size_t i = 0; i < n; ++i) {
      mean[i] += x[i] / static_cast<double>(data.train.size());
      if (x[i] == 0) continue;
      for (std::size_t j = 0; j < n; ++j) covariance[i][j] += x[i] * x[j];
    }
  }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < n; ++j) {
      covariance[i][j] =
          covariance[i][j] / static_cast<double>(data.train.size()) - mean[i] * mean[j];
    }
  }

  constexpr int kRounds = 60;
  std::vector<Vector> directions;
  for (std::size_t k = 0; k < static_cast<std::size_t>(width); ++k) {
    Vector& start = directions.emplace_back(n);
    for (std::size_t i = 0; i < n; ++i) start[i] = std::sin(static_cast<double>((k + 1) * (i + 1)));
  }
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Vector> next;
    for (const Vector& d : directions) {
      Vector x(n);
      for (std::size_t i = 0; i < n; ++i) x[i] = dot(covariance[i], d);
      remove(next, x);
      remove(next, x);  // once more, for what rounding left
      const double length = std::sqrt(dot(x, x));
      for (double& value : x) value /= length;
      next.push_back(std::move(x));
    }
    directions = std::move(next);
  }

  double squares = 0;
  for (std::int64_t row = 0; row < data.test.size(); ++row) {
    Vector x = sample_of(data.test, row);
    for (std::size_t i = 0; i < n; ++i) x[i] -= mean[i];
    remove(directions, x);
    squares += dot(x, x);
  }
  return squares / static_cast<double>(data.test.size() * static_cast<std::int64_t>(n));
}
