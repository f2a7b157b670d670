#include "data/cell.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>

namespace soma::data {
namespace {

constexpr std::size_t kShownBytes = 40;
constexpr double kLargest = std::numeric_limits<float>::max();

bool parse(std::string_view text, double& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return false;
  const char first = text[text[0] == '-' ? std::min<std::size_t>(1, text.size() - 1) : 0];
  if ((first < '0' || first > '9') && first != '.') return false;  // inf, nan
  const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ptr != text.data() + text.size()) return false;
  if (read.ec == std::errc::result_out_of_range) {
    // Too small or too large: only an exponent below zero makes it small.
    const auto e = text.find_first_of("eE");
    if (e == std::string_view::npos || e + 1 >= text.size() || text[e + 1] != '-') return false;
    number = 0;
    return true;
  }
  return read.ec == std::errc() && std::fabs(number) <= kLargest;
}

bool parse_with_comma(std::string_view text, double& number) {
  char copy[64];
  if (text.size() > sizeof copy || text.find('.') != std::string_view::npos) return false;
  std::ranges::replace_copy(text, copy, ',', '.');
  return parse({copy, text.size()}, number);
}

/// `digits` decimal digits at `at`; -1 if one is not.
int digits_at(std::string_view text, std::size_t at, std::size_t digits) {
  int n = 0;
  for (std::size_t i = at; i < at + digits; ++i) {
    if (i >= text.size() || text[i] < '0' || text[i] > '9') return -1;
    n = 10 * n + (text[i] - '0');
  }
  return n;
}

/// "2024-02-29", "2024-02-29 13:30" or "2024-02-29T13:30:05": days since 1970.
bool parse_date(std::string_view text, double& number) {
  if (text.size() < 10 || text[4] != '-' || text[7] != '-') return false;
  const int year = digits_at(text, 0, 4), month = digits_at(text, 5, 2),
            day = digits_at(text, 8, 2);
  if (year < 0 || month < 1 || day < 1) return false;
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (!date.ok()) return false;
  int seconds = 0;
  if (text.size() > 10) {
    const bool has_seconds = text.size() == 19;
    if ((text.size() != 16 && !has_seconds) || (text[10] != ' ' && text[10] != 'T') ||
        text[13] != ':' || (has_seconds && text[16] != ':')) {
      return false;
    }
    const int hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2),
              second = has_seconds ? digits_at(text, 17, 2) : 0;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
      return false;
    }
    seconds = (hour * 60 + minute) * 60 + second;
  }
  number = static_cast<double>(std::chrono::sys_days(date).time_since_epoch().count()) +
           seconds / 86400.0;
  return true;
}

}  // namespace

CellValue read_cell(std::string_view cell, const CellRules& rules) {
  if (cell.empty()) return {};
  CellValue value{CellValue::Kind::number};
  const bool is_number =
      (rules.decimal == ',' ? parse_with_comma(cell, value.number) : parse(cell, value.number)) ||
      parse_date(cell, value.number);
  // A number may be a word for a missing value too: -999.
  const bool looked_up = !is_number || rules.missing.size() > usual_missing_words().size();
  if (looked_up && std::ranges::find(rules.missing, cell) != rules.missing.end()) return {};
  if (!is_number) value.kind = CellValue::Kind::text;
  return value;
}

std::span<const std::string> usual_missing_words() {
  static const std::string words[] = {"NA",   "N/A",  "n/a",  "na",  "NaN", "nan", "NAN",
                                      "null", "NULL", "None", "nil", "?",   "-",   "#N/A"};
  return words;
}

std::string shown(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kShownBytes)) {
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  // Not within a character of UTF-8.
  if (text.size() > kShownBytes) {
    while (!out.empty() && (text[out.size()] & 0xc0) == 0x80) out.pop_back();
    out += "...";
  }
  return out;
}

bool natural_less(std::string_view a, std::string_view b) {
  double x = 0, y = 0;
  const bool a_is = parse(a, x), b_is = parse(b, y);
  if (a_is != b_is) return a_is;
  if (a_is && x != y) return x < y;
  return a < b;
}

}  // namespace soma::data
