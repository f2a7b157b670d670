#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace soma::data {

/// The records of a CSV text (RFC 4180): cells between separators, quoted where they hold
/// separators, line ends or quotes ("" for one). Also taken: lines that end in LF, CR LF or CR, a
/// byte-order mark of UTF-8, blanks around cells, quotes within a cell that does not begin with
/// one. Empty lines are skipped.
class CsvReader {
 public:
  /// `origin` names the text in messages. A separator of 0 is found in the first line: whichever of
  /// comma, semicolon, tabulator and bar stands there most often; a comma only where numbers have
  /// none. The text must outlive the reader.
  CsvReader(std::string_view text, std::string origin, char separator = 0, char decimal = '.');

  /// The next record; false at the end. The views last until the next call. Throws FormatError
  /// "origin:line: ..." for a quote that is never closed, text behind a closing one, and a byte 0.
  bool next(std::vector<std::string_view>& cells);
  /// Where the record that was read last began, from 1.
  std::int64_t line() const noexcept { return record_line_; }
  char separator() const noexcept { return separator_; }
  const std::string& origin() const noexcept { return origin_; }
  /// From the first record again.
  void rewind() noexcept;
  /// Throws FormatError "origin:line: problem", with the line of the record read last.
  [[noreturn]] void fail(const std::string& problem) const;

 private:
  std::string_view quoted_cell();
  std::string_view plain_cell();

  std::string origin_;
  const char *begin_, *end_, *at_;
  char separator_;
  std::int64_t line_ = 1, record_line_ = 1;
  std::deque<std::string> unescaped_;  // cells that had "" in them
};

}  // namespace soma::data
