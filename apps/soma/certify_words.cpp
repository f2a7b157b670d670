#include "certify_words.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "command_line.hpp"

namespace {

soma::TensorInfo parse_input(std::string text) {
  soma::TensorInfo input;
  if (text.ends_with(":int32")) {
    input.dtype = soma::DType::i32;
    text.resize(text.size() - std::string(":int32").size());
  }
  for (const int extent : parse_numbers("input", text, 1 << 20)) input.shape.append(extent);
  return input;
}

}  // namespace

std::vector<std::string> split_words(const std::string& list, char between) {
  std::vector<std::string> parts;
  for (std::size_t start = 0; start <= list.size();) {
    const std::size_t end = std::min(list.find(between, start), list.size());
    parts.push_back(list.substr(start, end - start));
    start = end + 1;
  }
  return parts;
}

std::vector<int> parse_numbers(const std::string& option, const std::string& list, int most) {
  std::vector<int> numbers;
  for (const std::string& text : split_words(list)) {
    int n = 0;
    const auto end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, n);
    if (parsed.ec != std::errc() || parsed.ptr != end || n < 1 || n > most) {
      throw UsageError("--" + option + ": expected a list of numbers from 1 to " +
                       std::to_string(most) + ", got '" + text + "'");
    }
    numbers.push_back(n);
  }
  return numbers;
}

soma::Attributes parse_fields(const std::string& text) {
  soma::Attributes fields;
  if (text.empty()) return fields;
  const auto object = nlohmann::ordered_json::parse(text, nullptr, false);
  const auto complain = [&] {
    throw UsageError("--fields: expected a JSON object of numbers and texts, got '" + text + "'");
  };
  if (!object.is_object()) complain();
  for (const auto& [name, value] : object.items()) {
    if (value.is_number_integer() || value.is_boolean()) {
      fields.set(name,
                 value.is_boolean() ? std::int64_t{value.get<bool>()} : value.get<std::int64_t>());
    } else if (value.is_number()) {
      fields.set(name, value.get<double>());
    } else if (value.is_string()) {
      fields.set(name, value.get<std::string>());
    } else {
      complain();
    }
  }
  return fields;
}

std::vector<soma::TensorInfo> parse_inputs(const std::string& text) {
  std::vector<soma::TensorInfo> inputs;
  if (text.empty()) return inputs;
  for (const std::string& shape : split_words(text, ';')) inputs.push_back(parse_input(shape));
  return inputs;
}
