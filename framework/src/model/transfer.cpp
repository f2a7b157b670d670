#include "soma/transfer.hpp"

#include <algorithm>
#include <cstring>

#include "soma/error.hpp"

namespace soma {

Transfer transfer_weights(const Model& from, Model& to, std::uint64_t seed) {
  if (!to.initialized()) to.initialize(seed);
  Transfer transfer;
  for (Parameter& p : to.parameters()) {
    const auto& others = from.parameters();
    const auto other = std::ranges::find(others, p.name, &Parameter::name);
    if (other == others.end() || other->value.shape() != p.value.shape()) {
      transfer.left.push_back(p.name);
      continue;
    }
    if (p.value.size_bytes() > 0)
      std::memcpy(p.value.data(), other->value.data(), p.value.size_bytes());
    ++p.version;
    transfer.taken.push_back(p.name);
  }
  if (transfer.taken.empty()) {
    throw StateError("model '" + from.name() +
                     "' has no parameter of the name and shape of one of '" + to.name() + "'");
  }
  return transfer;
}

bool fits_pattern(std::string_view name, std::string_view pattern) noexcept {
  std::size_t n = 0, p = 0, star = std::string_view::npos, resume = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {  // the last * takes one more
      p = star + 1;
      n = ++resume;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

}  // namespace soma
