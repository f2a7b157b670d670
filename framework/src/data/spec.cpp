#include "data/spec.hpp"

#include <algorithm>
#include <charconv>

#include "data/csv_reader.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        out += static_cast<char>(high * 16 + low);
        i += 2;
        continue;
      }
    }
    out += text[i];
  }
  return out;
}

template <class Number>
bool read_number(const std::string& text, Number& to) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), to);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

std::string shortest(double x) {
  char text[40];
  return {text, std::to_chars(text, text + sizeof text, x).ptr};
}

std::string joined(const std::vector<std::string>& words, const char* last) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += (i == 0 ? "" : i + 1 == words.size() ? last : ", ") + words[i];
  }
  return text;
}

}  // namespace

Spec::Spec(std::string text) : text_(std::move(text)) {
  std::string_view rest = text_;
  const auto question = std::min(rest.find('?'), rest.size());
  std::string_view options = rest.substr(std::min(question + 1, rest.size()));
  rest = rest.substr(0, question);
  const auto colon = std::min(rest.find(':'), rest.size());
  form_ = rest.substr(0, colon);
  has_path_ = colon < rest.size();
  if (has_path_) path_ = rest.substr(colon + 1);
  while (!options.empty()) {
    const std::string_view option = options.substr(0, options.find('&'));
    options.remove_prefix(std::min(options.size(), option.size() + 1));
    const auto equals = option.find('=');
    if (equals == std::string_view::npos) {
      fail("expected options like key=value between &, found \"" + std::string(option) + "\"");
    }
    options_.emplace_back(option.substr(0, equals), decoded(option.substr(equals + 1)));
    if (std::ranges::count(options_, options_.back().first,
                           &decltype(options_)::value_type::first) > 1) {
      fail("the option " + options_.back().first + " is there twice");
    }
  }
}

void Spec::fail(const std::string& problem) const {
  throw FormatError("data '" + text_ + "': " + problem);
}

bool Spec::given(std::string_view key) const noexcept {
  return std::ranges::any_of(options_, [&](const auto& option) { return option.first == key; });
}

std::optional<std::string> Spec::text_option(std::string_view key) {
  known_.emplace_back(key);
  for (const auto& [name, value] : options_) {
    if (name == key) return value;
  }
  return std::nullopt;
}

std::optional<std::string> Spec::take_option(std::string_view key) {
  const auto text = text_option(key);
  std::erase_if(options_, [&](const auto& option) { return option.first == key; });
  return text;
}

std::vector<std::string> Spec::list_option(std::string_view key) {
  const std::string text = text_option(key).value_or("");
  CsvReader reader(text, "data '" + text_ + "': " + std::string(key), ',');
  std::vector<std::string_view> words;
  reader.next(words);
  return {words.begin(), words.end()};
}

std::int64_t Spec::count_option(std::string_view key, std::int64_t otherwise) {
  const auto text = text_option(key);
  std::int64_t n = otherwise;
  if (text && (!read_number(*text, n) || n < 1)) {
    fail(std::string(key) + ": expected a positive integer, found \"" + *text + "\"");
  }
  return n;
}

std::uint64_t Spec::seed_option(std::string_view key, std::uint64_t otherwise) {
  const auto text = text_option(key);
  std::uint64_t n = otherwise;
  if (text && !read_number(*text, n)) {
    fail(std::string(key) + ": expected an integer of 0 or more, found \"" + *text + "\"");
  }
  return n;
}

double Spec::number_option(std::string_view key, double otherwise, double low, double high) {
  const auto text = text_option(key);
  double x = otherwise;
  if (text && (!read_number(*text, x) || !(x >= low && x <= high))) {
    fail(std::string(key) + ": expected a number from " + shortest(low) + " to " + shortest(high) +
         ", found \"" + *text + "\"");
  }
  return x;
}

std::string Spec::choice_option(std::string_view key, const std::vector<std::string>& words,
                                const std::string& otherwise) {
  const auto text = text_option(key);
  if (text && std::ranges::find(words, *text) == words.end()) {
    fail(std::string(key) + ": expected " + joined(words, " or ") + ", found \"" + *text + "\"");
  }
  return text.value_or(otherwise);
}

void Spec::finish() const {
  for (const auto& [name, value] : options_) {
    if (std::ranges::find(known_, name) != known_.end()) continue;
    fail(known_.empty()
             ? "takes no options, found \"" + name + "\""
             : "expected the options " + joined(known_, " and ") + ", found \"" + name + "\"");
  }
}

}  // namespace soma::data
