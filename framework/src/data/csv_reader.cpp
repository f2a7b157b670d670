#include "data/csv_reader.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "data/cell.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

bool is_blank(char c) { return c == ' ' || c == '\t'; }

char find_separator(std::string_view text, char decimal) {
  constexpr std::array kCandidates = {',', ';', '\t', '|'};
  std::array<int, kCandidates.size()> counts{};
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if ((c == '\n' || c == '\r') && std::ranges::max(counts) > 0) break;
    const auto found = std::ranges::find(kCandidates, c);
    if (found != kCandidates.end() && c != decimal)
      ++counts[static_cast<std::size_t>(found - kCandidates.begin())];
  }
  return kCandidates[static_cast<std::size_t>(std::ranges::max_element(counts) - counts.begin())];
}

}  // namespace

CsvReader::CsvReader(std::string_view text, std::string origin, char separator, char decimal)
    : origin_(std::move(origin)) {
  if (text.starts_with("\xff\xfe") || text.starts_with("\xfe\xff")) {
    throw FormatError(origin_ + ": expected text in UTF-8 or a single-byte encoding, found UTF-16");
  }
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  begin_ = at_ = text.data();
  end_ = begin_ + text.size();
  separator_ = separator != 0 ? separator : find_separator(text, decimal);
}

void CsvReader::rewind() noexcept {
  at_ = begin_;
  line_ = record_line_ = 1;
}

void CsvReader::fail(const std::string& problem) const {
  throw FormatError(origin_ + ":" + std::to_string(record_line_) + ": " + problem);
}

std::string_view CsvReader::quoted_cell() {
  const std::int64_t opened = line_;
  const char* start = ++at_;
  std::string* copy = nullptr;
  for (;; ++at_) {
    if (at_ == end_) {
      throw FormatError(origin_ + ":" + std::to_string(opened) +
                        ": expected a quote that closes the one opened here, found the end of the "
                        "file");
    }
    if (*at_ == '\n') ++line_;
    if (*at_ != '"') continue;
    if (at_ + 1 == end_ || at_[1] != '"') break;
    if (copy == nullptr) copy = &unescaped_.emplace_back();
    copy->append(start, at_ + 1);
    start = at_ + 2;
    ++at_;
  }
  std::string_view cell(start, static_cast<std::size_t>(at_ - start));
  if (copy != nullptr) cell = copy->append(cell);
  ++at_;
  while (at_ != end_ && is_blank(*at_) && *at_ != separator_) ++at_;
  if (at_ != end_ && *at_ != separator_ && *at_ != '\n' && *at_ != '\r') {
    throw FormatError(origin_ + ":" + std::to_string(line_) +
                      ": expected a separator behind the closing quote of \"" + shown(cell) +
                      "\", found '" + *at_ + "'");
  }
  return cell;
}

std::string_view CsvReader::plain_cell() {
  const char* start = at_;
  while (at_ != end_ && *at_ != separator_ && *at_ != '\n' && *at_ != '\r') ++at_;
  const char* last = at_;
  while (last != start && is_blank(last[-1])) --last;
  const std::string_view cell(start, static_cast<std::size_t>(last - start));
  if (std::memchr(cell.data(), 0, cell.size()) != nullptr) {
    throw FormatError(origin_ + ":" + std::to_string(line_) +
                      ": expected text, found a byte 0: this is no CSV file");
  }
  return cell;
}

bool CsvReader::next(std::vector<std::string_view>& cells) {
  cells.clear();
  unescaped_.clear();
  for (; at_ != end_; ++at_) {  // empty lines
    if (*at_ == '\n') {
      ++line_;
    } else if (*at_ == '\r') {
      line_ += at_ + 1 == end_ || at_[1] != '\n';
    } else if (!is_blank(*at_) || *at_ == separator_) {
      break;
    }
  }
  if (at_ == end_) return false;
  record_line_ = line_;
  for (;;) {
    while (at_ != end_ && is_blank(*at_) && *at_ != separator_) ++at_;
    cells.push_back(at_ != end_ && *at_ == '"' ? quoted_cell() : plain_cell());
    if (at_ == end_ || *at_ != separator_) return true;  // at a line end, which the next call skips
    ++at_;
    if (at_ == end_) {
      cells.emplace_back();
      return true;
    }
  }
}

}  // namespace soma::data
