#include "recurrent.hpp"

#include <vector>

namespace soma::reference {

std::span<const Entry> recurrent_kernels() {
  static const std::vector<Entry> all = [] {
    std::vector<Entry> list;
    for (const auto& family : {rnn_kernels(), lstm_kernels(), gru_kernels()}) {
      list.insert(list.end(), family.begin(), family.end());
    }
    return list;
  }();
  return all;
}

}  // namespace soma::reference
