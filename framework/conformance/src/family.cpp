#include "family.hpp"

#include <algorithm>

namespace soma::conformance {

const FamilyRules* rules_of(const Op& op) {
  static const std::vector<FamilyRules> all = [] {
    std::vector<FamilyRules> list;
    for (const auto& group :
         {activation_rules(), structure_rules(), normalization_rules(), recurrent_rules(),
          attention_rules(), loss_rules(), optimizer_rules()}) {
      list.insert(list.end(), group.begin(), group.end());
    }
    return list;
  }();
  const auto it = std::ranges::find(all, op.family(), &FamilyRules::family);
  return it == all.end() ? nullptr : &*it;
}

}  // namespace soma::conformance
