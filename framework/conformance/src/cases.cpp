#include <ostream>

#include "case_list.hpp"

namespace soma::conformance {
namespace {

std::vector<Case> all_cases() {
  std::vector<Case> list;
  add_linear_cases(list);
  add_matmul_cases(list);
  add_conv2d_cases(list);
  add_pool2d_cases(list);
  add_pointwise_cases(list);
  add_softmax_cases(list);
  add_loss_cases(list);
  add_optimizer_cases(list);
  add_activation_cases(list);
  add_structure_cases(list);
  add_normalization_cases(list);
  add_recurrent_cases(list);
  add_attention_cases(list);
  return list;
}

}  // namespace

const std::vector<Case>& cases() {
  static const std::vector<Case> list = all_cases();
  return list;
}

const std::vector<std::string>& families() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Case& c : cases()) {
      if (list.empty() || list.back() != c.family) list.push_back(c.family);
    }
    return list;
  }();
  return names;
}

bool is_contraction(const Op& op) {
  const std::string_view family = op.family();
  return family == "linear/1" || family == "matmul/1" || family == "conv2d/1";
}

std::string epilogue_suffix(bool bias, bool residual, const std::string& activation) {
  std::string suffix;
  if (bias) suffix += "_bias";
  if (residual) suffix += "_residual";
  if (!activation.empty()) suffix += "_" + activation;
  return suffix;
}

void PrintTo(const Case& c, std::ostream* out) { *out << c.id() << ": " << c.op.str(); }

}  // namespace soma::conformance
