#include "mutant.hpp"

#include <bit>
#include <cstdlib>
#include <string>

namespace mutants {

namespace {
std::size_t pack_bytes_of(const soma::sdk::Kernel& kernel) {
  return (kernel.info().pack_bytes + 63) / 64 * 64;
}
}  // namespace

std::size_t Call::right_workspace_bytes(const soma::sdk::Kernel& right) {
  return pack_bytes_of(right) + (right.info().workspace_bytes + 63) / 64 * 64;
}

void Call::right(std::initializer_list<Instead> instead) const {
  constexpr std::size_t kMostOperands = 40;
  const void* inputs[kMostOperands] = {};
  void* outputs[kMostOperands] = {};
  for (std::size_t i = 0; i < op.inputs.size(); ++i) inputs[i] = in<void>(static_cast<int>(i));
  for (std::size_t i = 0; i < op.outputs.size(); ++i) outputs[i] = out<void>(static_cast<int>(i));
  for (const Instead& other : instead) inputs[other.input] = other.data;
  // What the canonical kernel would have packed lies in front of its workspace.
  const std::size_t pack_bytes = pack_bytes_of(right_);
  soma_exec inner{sizeof(soma_exec), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, exec.threads()};
  inner.inputs = inputs;
  inner.outputs = outputs;
  inner.workspace = exec.workspace<std::byte>() + pack_bytes;
  if (pack_bytes > 0) {
    inner.pack = exec.workspace();
    right_.pack(soma::sdk::Exec(inner), exec.workspace());
  }
  right_.execute(soma::sdk::Exec(inner));
}

const std::vector<Mutant>& all() {
  static const std::vector<Mutant> list = [] {
    std::vector<Mutant> joined;
    for (const auto part :
         {contraction_mutants, window_mutants, normalization_mutants, function_mutants,
          loss_mutants, sequence_mutants, structure_mutants, optimizer_mutants, contract_mutants,
          determinism_mutants, lifecycle_mutants, kind_mutants}) {
      joined.insert(joined.end(), part().begin(), part().end());
    }
    return joined;
  }();
  return list;
}

bool is_planted(std::string_view name) {
  const char* named = std::getenv("SOMA_MUTANT");
  return named != nullptr && name == named;
}

const Mutant* planted() {
  static const Mutant* const found = [] {
    const Mutant* named = nullptr;
    for (const Mutant& m : all()) {
      if (is_planted(m.name)) named = &m;
    }
    return named;
  }();
  return found;
}

Op with(const Op& op, std::string_view key, soma::Attributes::Value value) {
  Op other = without(op, key);
  other.attributes.set(std::string(key), std::move(value));
  return other;
}

Op without(const Op& op, std::string_view key) {
  Op other = op;
  other.attributes = {};
  for (const auto& [name, value] : op.attributes.entries()) {
    if (name != key) other.attributes.set(name, value);
  }
  return other;
}

Op exchanged(const Op& op, std::string_view a, std::string_view b, std::int64_t fallback) {
  const std::int64_t of_a = op.attributes.integer(a, fallback);
  const std::int64_t of_b = op.attributes.integer(b, fallback);
  return with(with(op, a, of_b), b, of_a);
}

float as_bfloat16(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  const std::uint32_t rest = bits & 0xFFFF;
  const std::uint32_t up = rest > 0x8000 || (rest == 0x8000 && (bits >> 16 & 1) != 0) ? 1 : 0;
  return std::bit_cast<float>(((bits >> 16) + up) << 16);
}

}  // namespace mutants
