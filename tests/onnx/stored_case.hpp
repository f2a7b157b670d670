#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "tensor.hpp"

namespace soma::onnx_tests {

/// The one node of a stored case, with its inputs and the outputs that upstream expects.
struct Node {
  std::string op;                             ///< "Conv"
  std::vector<std::optional<Tensor>> inputs;  ///< absent optional ones are empty
  std::vector<std::optional<Tensor>> outputs;
  std::int64_t opset = 0;

  std::map<std::string, std::int64_t> integers;
  std::map<std::string, float> reals;
  std::map<std::string, std::string> texts;
  std::map<std::string, std::vector<std::int64_t>> lists;
  std::map<std::string, std::vector<float>> real_lists;
  std::map<std::string, std::vector<std::string>> text_lists;

  std::int64_t integer(const std::string& name, std::int64_t fallback) const {
    const auto it = integers.find(name);
    return it == integers.end() ? fallback : it->second;
  }
  float real(const std::string& name, float fallback) const {
    const auto it = reals.find(name);
    return it == reals.end() ? fallback : it->second;
  }
  std::string text(const std::string& name, const std::string& fallback) const {
    const auto it = texts.find(name);
    return it == texts.end() ? fallback : it->second;
  }
  std::vector<std::int64_t> list(const std::string& name,
                                 std::vector<std::int64_t> fallback) const {
    const auto it = lists.find(name);
    return it == lists.end() ? fallback : it->second;
  }
  bool has(std::size_t i) const { return i < inputs.size() && inputs[i].has_value(); }
  const Tensor& in(std::size_t i) const { return inputs.at(i).value(); }
};

/// A folder of onnx-backend/. `node` is empty when the graph is not one node on tensors of float32,
/// int64, int32 and bool; `why` says what it is instead.
struct StoredCase {
  std::string name;  ///< "node/test_relu"
  std::string op;    ///< op type, or the graph's op types
  std::optional<Node> node;
  std::string why;
};

/// Reads a case folder. Constant nodes and initializers count as inputs.
StoredCase read_case(const std::filesystem::path& folder);

}  // namespace soma::onnx_tests
