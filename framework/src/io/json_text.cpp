#include "io/json_text.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "soma/error.hpp"

namespace soma::io {

namespace {

/// Walks a text that is known to be JSON and reports where its values stand. Keeps its own stack,
/// so that no depth of nesting can exhaust the thread's.
class PlaceScanner {
 public:
  using Lines = std::unordered_map<std::string, int>;

  PlaceScanner(std::string_view text, const std::string& origin) : text_(text), origin_(origin) {
    if (text.starts_with("\xEF\xBB\xBF")) at_ = 3;  // a byte order mark, which the parser skips
  }

  Lines scan() {
    for (; at_ < text_.size(); ++at_) {
      switch (const char c = text_[at_]) {
        case '\n':
          ++line_;
          break;
        case '{':
        case '[':
          begin_value();
          open_.push_back({path_.size(), c == '[', 0});
          break;
        case '}':
        case ']':
          open_.pop_back();
          end_value();
          break;
        case '"':
          string();
          break;
        case ' ':
        case '\t':
        case '\r':
        case ',':
        case ':':
          break;
        default:
          begin_value();
          at_ = std::min(text_.find_first_of(",]} \t\r\n", at_), text_.size()) - 1;
          end_value();
      }
    }
    return std::move(lines_);
  }

 private:
  struct Container {
    std::size_t path_length;  // of its own pointer
    bool array;
    std::size_t next;  // index of the next element
    bool key_read = false;
  };

  void begin_value() {
    if (open_.empty()) {
      lines_.emplace("", line_);
    } else if (open_.back().array) {
      path_ = element_pointer(path_, open_.back().next++);
      lines_.emplace(path_, line_);
    }
  }

  void end_value() {
    if (open_.empty()) return;
    path_.resize(open_.back().path_length);
    open_.back().key_read = false;
  }

  /// A member's name or a string value.
  void string() {
    const std::size_t start = at_++;
    while (text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (open_.empty() || open_.back().array || open_.back().key_read) {
      begin_value();
      end_value();
      return;
    }
    open_.back().key_read = true;
    // The parser undoes escapes.
    const auto key = nlohmann::json::parse(text_.substr(start, at_ + 1 - start)).get<std::string>();
    path_ = member_pointer(path_, key);
    if (!lines_.emplace(path_, line_).second) {
      throw FormatError(origin_ + ":" + std::to_string(line_) + ": \"" + key +
                        "\" appears twice in one object, first on line " +
                        std::to_string(lines_.at(path_)));
    }
  }

  std::string_view text_;
  const std::string& origin_;
  std::size_t at_ = 0;
  int line_ = 1;
  std::string path_;
  std::vector<Container> open_;
  Lines lines_;
};

/// What nlohmann says, "[json.exception...] parse error at line 1, column 2: syntax error ...",
/// without the place, which we give ourselves.
std::string reason_of(const nlohmann::json::exception& error) {
  const std::string_view text = error.what();
  const auto column = text.find("column ");
  const auto cut = column == text.npos ? text.find("] ") : text.find(": ", column);
  return std::string(cut == text.npos ? text : text.substr(cut + 2));
}

}  // namespace

JsonText::JsonText(std::string_view text, std::string origin) : origin_(std::move(origin)) {
  // The parser would take a zero byte for the end.
  const std::size_t zero = text.find('\0');
  if (zero != text.npos) {
    throw FormatError(origin_ + ":" +
                      std::to_string(1 + std::ranges::count(text.substr(0, zero), '\n')) +
                      ": not JSON: a zero byte");
  }
  try {
    root_ = Json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    const std::string_view before = text.substr(0, error.byte > 0 ? error.byte - 1 : 0);
    throw FormatError(origin_ + ":" + std::to_string(1 + std::ranges::count(before, '\n')) +
                      ": not JSON: " + reason_of(error));
  } catch (const nlohmann::json::exception& error) {  // a number out of any range
    throw FormatError(origin_ + ": not JSON: " + reason_of(error));
  }
  lines_ = PlaceScanner(text, origin_).scan();
}

int JsonText::line(std::string_view pointer) const {
  for (;;) {
    if (const auto it = lines_.find(std::string(pointer)); it != lines_.end()) return it->second;
    if (pointer.empty()) return 1;
    pointer = pointer.substr(0, pointer.rfind('/'));
  }
}

void JsonText::fail(std::string_view pointer, const std::string& problem) const {
  std::string place;
  for (std::size_t at = 0; at < pointer.size();) {
    const std::size_t end = std::min(pointer.find('/', at + 1), pointer.size());
    std::string token(pointer.substr(at + 1, end - at - 1));
    const auto* parent = &root_.at(Json::json_pointer(std::string(pointer.substr(0, at))));
    if (parent->is_array()) {
      place += "[" + token + "]";
    } else {
      for (const auto& [code, plain] : {std::pair{"~1", "/"}, std::pair{"~0", "~"}}) {
        for (auto i = token.find(code); i != std::string::npos; i = token.find(code, i + 1)) {
          token.replace(i, 2, plain);
        }
      }
      place += (place.empty() ? "" : ".") + token;
    }
    at = end;
  }
  throw FormatError(origin_ + ":" + std::to_string(line(pointer)) + ": " +
                    (place.empty() ? "" : place + ": ") + problem);
}

std::string member_pointer(std::string_view pointer, std::string_view key) {
  std::string result(pointer);
  result += '/';
  for (const char c : key) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

std::string element_pointer(std::string_view pointer, std::size_t index) {
  return std::string(pointer) + "/" + std::to_string(index);
}

std::string describe(const JsonText::Json& value) {
  if (value.is_object()) return "an object";
  if (value.is_array()) return "an array of " + std::to_string(value.size());
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump(-1, ' ', true);  // ASCII, so that cutting leaves no half letter
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

}  // namespace soma::io
