#include "catalogue/catalogue.hpp"

namespace soma {

std::vector<Op> example_ops() {
  std::vector<Op> list = core_examples();
  for (const auto& group :
       {activation_examples(), structure_examples(), normalization_examples(), recurrent_examples(),
        attention_examples(), loss_examples(), optimizer_examples()}) {
    list.insert(list.end(), group.begin(), group.end());
  }
  return list;
}

}  // namespace soma
