#include "soma/evaluation.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace soma {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

double top_k_accuracy(const Evaluation& evaluation, std::int64_t k) {
  const auto& ranks = evaluation.ranks;
  const auto end = ranks.begin() + std::clamp<std::int64_t>(k, 0, std::ssize(ranks));
  return ratio(std::accumulate(ranks.begin(), end, std::int64_t{0}),
               std::accumulate(ranks.begin(), ranks.end(), std::int64_t{0}));
}

std::vector<ClassScore> class_scores(const Evaluation& evaluation) {
  const auto& counts = evaluation.confusion;
  const auto classes = static_cast<std::size_t>(std::sqrt(static_cast<double>(counts.size())));
  std::vector<ClassScore> scores(classes);
  for (std::size_t truth = 0; truth < classes; ++truth) {
    for (std::size_t said = 0; said < classes; ++said) {
      scores[truth].support += counts[truth * classes + said];
      scores[said].predicted += counts[truth * classes + said];
    }
  }
  for (std::size_t c = 0; c < classes; ++c) {
    ClassScore& score = scores[c];
    const std::int64_t right = counts[c * classes + c];
    score.precision = ratio(right, score.predicted);
    score.recall = ratio(right, score.support);
    score.f1 = ratio(2 * right, score.predicted + score.support);
  }
  return scores;
}

ClassScore macro_average(std::span<const ClassScore> scores) {
  ClassScore mean;
  double counted = 0;
  for (const ClassScore& score : scores) {
    if (score.support + score.predicted == 0) continue;
    ++counted;
    mean.precision += score.precision;
    mean.recall += score.recall;
    mean.f1 += score.f1;
    mean.support += score.support;
    mean.predicted += score.predicted;
  }
  if (counted == 0) return mean;
  mean.precision /= counted;
  mean.recall /= counted;
  mean.f1 /= counted;
  return mean;
}

}  // namespace soma
