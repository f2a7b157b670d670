#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <unordered_map>

namespace soma::io {

/// A JSON text, parsed, that knows on which line each value stands, so that a complaint about what
/// it says can name the place. Objects keep the order of their members.
class JsonText {
 public:
  using Json = nlohmann::ordered_json;

  /// `origin` names the text in messages, e.g. a file. Throws FormatError "origin:line: ..." for
  /// what is not JSON and for an object that names a member twice.
  JsonText(std::string_view text, std::string origin);

  const Json& root() const noexcept { return root_; }
  const std::string& origin() const noexcept { return origin_; }
  /// Line, from 1, of the value at a JSON pointer (RFC 6901) such as "/layers/2/kernel": where its
  /// name stands or, in an array, where it begins. For a value that is missing, its container's.
  int line(std::string_view pointer) const;
  /// Throws FormatError "origin:line: layers[2].kernel: problem".
  [[noreturn]] void fail(std::string_view pointer, const std::string& problem) const;

 private:
  std::string origin_;
  Json root_;
  std::unordered_map<std::string, int> lines_;
};

/// The pointer of a member or of an element of the container at `pointer`.
std::string member_pointer(std::string_view pointer, std::string_view key);
std::string element_pointer(std::string_view pointer, std::size_t index);

/// What a value is, for messages: `"five"`, `3.5`, `true`, `an object`; long ones shortened.
std::string describe(const JsonText::Json& value);

}  // namespace soma::io
