#include "data/text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "soma/error.hpp"

namespace soma::data {
namespace {

constexpr std::int64_t kContext = 64;
constexpr std::ptrdiff_t kTestShare = 10;  // one part in so many

std::string name_of_byte(std::uint8_t byte) {
  if (byte == '\n') return "\\n";
  if (byte == '\t') return "\\t";
  if (byte == '\r') return "\\r";
  if (byte >= 0x20 && byte < 0x7f) return {static_cast<char>(byte)};
  char text[8];
  std::snprintf(text, sizeof text, "\\x%02x", byte);
  return text;
}

}  // namespace

DataSplit load_text(Spec spec, const std::filesystem::path& file) {
  const std::int64_t context = spec.count_option("context", kContext);
  const std::int64_t stride = spec.count_option("stride", context);
  spec.finish();
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) {
    spec.fail("cannot read " + file.string());
  }
  std::vector<std::uint8_t> text{std::istreambuf_iterator<char>(in), {}};
  std::array<bool, 256> occurs{};
  for (const std::uint8_t byte : text) occurs[byte] = true;
  std::array<std::uint8_t, 256> index{};
  std::vector<std::string> names;
  for (std::size_t byte = 0; byte < occurs.size(); ++byte) {
    if (!occurs[byte]) continue;
    index[byte] = static_cast<std::uint8_t>(names.size());
    names.push_back(name_of_byte(static_cast<std::uint8_t>(byte)));
  }
  std::ranges::transform(text, text.begin(), [&](std::uint8_t byte) { return index[byte]; });
  const auto tested = static_cast<std::ptrdiff_t>(text.size()) / kTestShare;
  if (tested < context + 1) {
    throw FormatError(file.string() + ": expected " + std::to_string(kTestShare * (context + 1)) +
                      " bytes or more for a context of " + std::to_string(context) + ", found " +
                      std::to_string(text.size()));
  }
  std::vector<std::uint8_t> test(text.end() - tested, text.end());
  text.resize(text.size() - static_cast<std::size_t>(tested));
  return {
      Dataset::windows(spec.text(), std::move(text), context, stride, names),
      Dataset::windows(spec.text(), std::move(test), context, std::max(stride, context), names)};
}

}  // namespace soma::data
