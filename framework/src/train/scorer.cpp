#include "train/scorer.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace soma {
namespace {

bool compares_numbers(const Loss& loss) {
  using enum Loss::Kind;
  return loss.kind == mean_squared_error || loss.kind == mean_absolute_error || loss.kind == huber;
}

}  // namespace

Scorer::Scorer(const Trainer::State& state) : judged_(state.judged()) {
  const auto losses = state.model.losses();
  for (std::size_t i = 0; i < losses.size() && !compared_; ++i) {
    if (compares_numbers(losses[i].loss)) compared_ = i;
  }
}

void Scorer::before(const Trainer::State::Compiled& compiled) {
  if (judged_) Trainer::State::read_labels(compiled, *judged_, labels_);
  if (!compared_) return;
  const Graph& graph = compiled.program->graph();
  const Shape& shape = graph.shape(graph.losses[*compared_].targets);
  const auto* from = reinterpret_cast<const float*>(compiled.instance.targets(*compared_));
  targets_.assign(from, from + shape.elements());
  columns_.resize(static_cast<std::size_t>(shape.elements_from(1)));
}

void Scorer::after(const Trainer::State::Compiled& compiled, std::int64_t samples,
                   const Dataset& data) {
  result_.samples += samples;
  loss_sum_ += static_cast<double>(compiled.instance.loss()) * static_cast<double>(samples);
  if (judged_) {
    Trainer::State::read_answers(compiled, *judged_, answers_);
    count_classes(compiled, data);
  }
  if (compared_) add_errors(compiled);
}

void Scorer::count_classes(const Trainer::State::Compiled& compiled, const Dataset& data) {
  const Graph& graph = compiled.program->graph();
  const bool many = judged_->loss.takes_classes();
  const std::int64_t classes =
      many ? graph.shape(graph.losses[judged_->number].probabilities)[1] : 2;
  const bool confuses = data.targets()[judged_->number].type == DType::i32;
  if (confuses) result_.confusion.resize(static_cast<std::size_t>(classes * classes));
  for (std::size_t i = 0; i < labels_.size(); ++i) {
    if (labels_[i] < 0) continue;
    ++counted_;
    right_ += answers_[i] == labels_[i];
    if (confuses) ++result_.confusion[static_cast<std::size_t>(labels_[i] * classes + answers_[i])];
  }
  if (many) count_ranks(compiled, classes);
}

void Scorer::count_ranks(const Trainer::State::Compiled& compiled, std::int64_t classes) {
  const auto width = static_cast<std::size_t>(classes);
  const float* row = compiled.instance.probabilities(judged_->number);
  result_.ranks.resize(width);
  for (const std::int32_t label : labels_) {
    if (label >= 0) {
      const auto truth = static_cast<std::size_t>(label);
      const float p = row[truth];
      std::size_t rank = 0;
      for (std::size_t c = 0; c < width; ++c) rank += row[c] > p || (row[c] == p && c < truth);
      ++result_.ranks[rank];
      log_sum_ -= std::log(std::max<double>(p, std::numeric_limits<float>::min()));
    }
    row += width;
  }
}

void Scorer::add_errors(const Trainer::State::Compiled& compiled) {
  const Graph& graph = compiled.program->graph();
  const float* y =
      compiled.instance.output(static_cast<std::size_t>(graph.losses[*compared_].output));
  const std::size_t rows = columns_.empty() ? 0 : targets_.size() / columns_.size();
  const float* t = targets_.data();
  for (std::size_t row = 0; row < rows; ++row) {
    for (Column& column : columns_) {
      const double target = *t++, error = *y++ - target;
      if (rows_ == 0) column.first = target;
      const double moved = target - column.first;
      column.sum += moved;
      column.squares += moved * moved;
      absolute_ += std::fabs(error);
      squared_ += error * error;
    }
    ++rows_;
  }
}

Evaluation Scorer::finish() {
  const auto ratio = [](double part, std::int64_t whole) {
    return whole == 0 ? 0 : part / static_cast<double>(whole);
  };
  result_.loss = ratio(loss_sum_, result_.samples);
  result_.accuracy = ratio(static_cast<double>(right_), counted_);
  if (!result_.ranks.empty()) result_.cross_entropy = ratio(log_sum_, counted_);
  if (compared_ && rows_ > 0 && !columns_.empty()) {
    const std::int64_t numbers = rows_ * std::ssize(columns_);
    Evaluation::Errors errors;
    errors.mean_absolute = ratio(absolute_, numbers);
    errors.root_mean_square = std::sqrt(ratio(squared_, numbers));
    double spread = 0;
    for (const Column& c : columns_) {
      spread += std::max(0.0, c.squares - c.sum * c.sum / static_cast<double>(rows_));
    }
    if (spread > 0) errors.r2 = 1 - squared_ / spread;
    result_.errors = errors;
  }
  return std::move(result_);
}

}  // namespace soma
