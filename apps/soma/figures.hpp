#pragma once

#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string>

#include "soma/dataset.hpp"
#include "soma/evaluation.hpp"

/// The figures of an evaluation besides loss and accuracy, by the names they have in metrics.csv
/// and in JSON; nothing where one does not apply. New ones are added at the end.
inline constexpr std::array kFigureNames = {
    "top5_accuracy",       ///< of more than five classes
    "precision",           ///< macro averages, see soma/evaluation.hpp
    "recall",              ///<
    "f1",                  ///<
    "perplexity",          ///< exp(cross entropy)
    "bits_per_character",  ///< cross entropy / log 2, of sequences of classes
    "mae",                 ///< mean absolute error, in the target's units where they are known
    "rmse",                ///< root mean square error, alike
    "r2"};
using Figures = std::array<std::optional<double>, kFigureNames.size()>;

Figures figures_of(const soma::Evaluation& evaluation, const soma::Dataset& data);

/// {"accuracy": ..., "top5_accuracy": ..., ...}; null where one does not apply.
nlohmann::ordered_json figures_json(const soma::Evaluation& evaluation, const soma::Dataset& data);
/// [{"name", "precision", "recall", "f1", "support"}, ...]; null without classes.
nlohmann::ordered_json classes_json(const soma::Evaluation& evaluation, const soma::Dataset& data);
/// The confusion matrix as a list of rows; null without classes.
nlohmann::ordered_json confusion_json(const soma::Evaluation& evaluation);

/// The figures, a table of the classes and, of twelve classes or fewer, the confusion matrix.
void print_figures(std::ostream& out, const soma::Evaluation& evaluation,
                   const soma::Dataset& data);

/// The names of the rows of a confusion matrix: those of the data, then numbers, as a model may
/// have more outputs than the data has classes.
std::vector<std::string> confusion_names(const soma::Evaluation& evaluation,
                                         const std::vector<std::string>& class_names);
