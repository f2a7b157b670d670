#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace soma::data {

/// A data set as a person writes it: "NAME", "FORM:PATH", either with "?option=value&option=value"
/// behind. In options %26 stands for & and so on, as in a URL. Every complaint is a FormatError
/// that begins with "data 'SPEC': ".
class Spec {
 public:
  explicit Spec(std::string text);

  const std::string& text() const noexcept { return text_; }
  const std::string& form() const noexcept {
    return form_;
  }  ///< the name, or what precedes the colon
  const std::string& path() const noexcept { return path_; }  ///< behind the colon
  bool has_path() const noexcept { return has_path_; }
  [[noreturn]] void fail(const std::string& problem) const;

  // What an option says; nothing or `otherwise` if it is absent. Asking makes an option known.
  std::optional<std::string> text_option(std::string_view key);
  std::vector<std::string> list_option(std::string_view key);  ///< between commas, as in CSV
  std::int64_t count_option(std::string_view key, std::int64_t otherwise);  ///< 1 or more
  std::uint64_t seed_option(std::string_view key, std::uint64_t otherwise);
  double number_option(std::string_view key, double otherwise, double low, double high);
  /// One of the words.
  std::string choice_option(std::string_view key, const std::vector<std::string>& words,
                            const std::string& otherwise);
  /// As text_option, and from then on the option is absent.
  std::optional<std::string> take_option(std::string_view key);
  bool given(std::string_view key) const noexcept;
  /// Fails if an option was given that nobody asked for.
  void finish() const;

 private:
  std::string text_, form_, path_;
  bool has_path_ = false;
  std::vector<std::pair<std::string, std::string>> options_;
  std::vector<std::string> known_;
};

}  // namespace soma::data
