#include "soma/training_error.hpp"

#include <cmath>
#include <cstdio>

namespace soma {
namespace {

std::string sentence(const NonFinite& n) {
  const char* what = std::isnan(n.value) ? "NaN" : n.value > 0 ? "infinity" : "-infinity";
  return "step " + std::to_string(n.step) + ": " + what + " in " + n.tensor + ", element " +
         std::to_string(n.index) + (n.computed ? ", computed by " : ", which is read by ") + n.op +
         " (" + name_of(n.phase) + ") of layer " + n.layer;
}

std::string sentence(std::int64_t step, double loss, double usual) {
  char text[120];
  std::snprintf(text, sizeof text, "step %lld: the loss rose to %.6g, it was about %.6g",
                static_cast<long long>(step), loss, usual);
  return text;
}

}  // namespace

NonFiniteError::NonFiniteError(NonFinite where)
    : TrainingError(sentence(where)), where_(std::move(where)) {}

LossSpikeError::LossSpikeError(std::int64_t step, double loss, double usual)
    : TrainingError(sentence(step, loss, usual)) {}

}  // namespace soma
