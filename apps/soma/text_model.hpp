#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soma/predictor.hpp"

/// A model that says which character comes next, at every position of a window of text: recurrent
/// or a transformer.
class TextModel {
 public:
  /// Throws soma::UnsupportedError for a model of anything else.
  TextModel(const soma::Model& model, const soma::Backend& backend, int threads);

  /// How many characters it looks back.
  std::int64_t context() const noexcept { return context_; }
  /// The bytes of a text as the model's classes. Throws soma::FormatError that names one that the
  /// model was not trained with.
  std::vector<std::int32_t> encode(std::string_view text) const;
  char character(std::int32_t index) const { return bytes_[static_cast<std::size_t>(index)]; }
  /// What a text begins with if nobody says: the end of a line or, if there is none, the first
  /// character.
  std::int32_t beginning() const;
  /// For each character, how likely it comes behind `text`, as logits; only the last context()
  /// characters count. Throws soma::UnsupportedError if `text` is shorter and the model looks
  /// ahead, so that what is not there yet would matter. Valid until the next call.
  std::span<const float> next(std::span<const std::int32_t> text);

 private:
  bool looks_ahead();

  std::string bytes_;  // of each class
  soma::Predictor predictor_;
  std::int64_t context_;
  std::vector<std::int32_t> window_;
  std::vector<float> logits_;
  bool asked_ = false, looks_ahead_ = false;
};

/// Draws the place of one of the logits: softmax of logits / temperature over the top_k largest (0:
/// all of them), with a number of [0, 1). Temperature 0 takes the largest, of equal ones the first.
/// The same bits on every machine.
std::int32_t draw_from(std::span<const float> logits, double temperature, std::int64_t top_k,
                       double uniform);
