#include "data/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
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

std::int64_t positive(const std::string& name, std::string_view option, std::string_view value) {
  std::int64_t n = 0;
  const auto read = std::from_chars(value.data(), value.data() + value.size(), n);
  if (read.ec != std::errc() || read.ptr != value.data() + value.size() || n < 1) {
    throw FormatError("data '" + name + "': " + std::string(option) +
                      ": expected a positive integer, found \"" + std::string(value) + "\"");
  }
  return n;
}

struct Windows {
  std::int64_t context = kContext, stride = 0;
};

Windows windows_of(const std::string& name, std::string_view options) {
  Windows windows;
  while (!options.empty()) {
    const std::string_view option = options.substr(0, options.find('&'));
    options.remove_prefix(std::min(options.size(), option.size() + 1));
    const auto equals = std::min(option.find('='), option.size());
    const std::string_view key = option.substr(0, equals);
    const std::string_view value = option.substr(std::min(equals + 1, option.size()));
    if (key != "context" && key != "stride") {
      throw FormatError("data '" + name + "': expected context=N or stride=N, found \"" +
                        std::string(option) + "\"");
    }
    (key == "context" ? windows.context : windows.stride) = positive(name, key, value);
  }
  if (windows.stride == 0) windows.stride = windows.context;
  return windows;
}

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

DataSplit load_text(const std::string& name, const std::filesystem::path& file,
                    std::string_view options) {
  const Windows windows = windows_of(name, options);
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) {
    throw FormatError("data '" + name + "': cannot read " + file.string());
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
  if (tested < windows.context + 1) {
    throw FormatError(file.string() + ": expected " +
                      std::to_string(kTestShare * (windows.context + 1)) +
                      " bytes or more for a context of " + std::to_string(windows.context) +
                      ", found " + std::to_string(text.size()));
  }
  std::vector<std::uint8_t> test(text.end() - tested, text.end());
  text.resize(text.size() - static_cast<std::size_t>(tested));
  return {Dataset::windows(name, std::move(text), windows.context, windows.stride, names),
          Dataset::windows(name, std::move(test), windows.context, windows.stride, names)};
}

}  // namespace soma::data
