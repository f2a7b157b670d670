#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "soma/api.hpp"

namespace soma {

/// How well a model did on a data set. What does not apply is empty: of classes for a model that
/// gives numbers, and the other way round.
struct Evaluation {
  double loss = 0;  ///< mean over the samples
  /// Of the first loss on classes or signs (Loss::is_binary): the share of right ones, targets
  /// without an answer (negative, or the loss's ignore_index) left out; else 0.
  double accuracy = 0;
  std::int64_t samples = 0;
  std::vector<std::int64_t>
      confusion;  ///< [true class * classes + predicted class]; empty for regression

  /// ranks[r]: answers of the first loss on classes for which r classes were likelier than the true
  /// one, of equals the first; as many as there are classes.
  std::vector<std::int64_t> ranks = {};
  /// Mean of -log p(true class) over these answers, in nats: the loss without class weights, label
  /// smoothing and the like.
  std::optional<double> cross_entropy = {};

  /// Of the first loss that compares numbers one by one (mean_squared_error, mean_absolute_error,
  /// huber): the errors of all numbers of its targets.
  struct Errors {
    double mean_absolute = 0, root_mean_square = 0;
    /// R2 = 1 - sum of squared errors / sum of squared distances from the mean of their column,
    /// over all columns of the targets together; nothing if the targets do not vary.
    std::optional<double> r2 = {};
  };
  std::optional<Errors> errors = {};
};

/// The share of answers with the true class among the k likeliest; 0 if there are none.
SOMA_API double top_k_accuracy(const Evaluation& evaluation, std::int64_t k);

/// How well one class is told from the others. A ratio of nothing to nothing is 0.
struct ClassScore {
  double precision = 0;      ///< of those said to be of the class, the share that is
  double recall = 0;         ///< of those of the class, the share that was said to be
  double f1 = 0;             ///< harmonic mean of both
  std::int64_t support = 0;  ///< how many are of the class
  std::int64_t predicted = 0;
};

/// One for each class, from the confusion matrix; empty without one.
SOMA_API std::vector<ClassScore> class_scores(const Evaluation& evaluation);

/// Their mean, each class counting alike; classes that neither are nor are said to be there do not
/// count. support and predicted are sums.
SOMA_API ClassScore macro_average(std::span<const ClassScore> scores);

}  // namespace soma
