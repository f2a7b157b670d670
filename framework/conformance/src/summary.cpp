#include "soma/conformance/summary.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <vector>

#include "soma/sdk/error.hpp"

namespace soma::conformance {
namespace {

std::string line(const std::string& name, std::size_t cases, int checks, int failed, double share) {
  char text[160];
  std::snprintf(text, sizeof text, "%-34s %6zu %7d %7d %12.3f\n", name.c_str(), cases, checks,
                failed, share);
  return text;
}

std::vector<std::string> cells(const std::string& row) {
  std::vector<std::string> list;
  std::istringstream stream(row.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const auto first = cell.find_first_not_of(' '), last = cell.find_last_not_of(' ');
    list.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return list;
}

/// The table as rows[op][column].
struct Table {
  std::vector<std::string> columns;
  std::map<std::string, std::map<std::string, std::string>> rows;
};

Table read_table(const std::filesystem::path& file) {
  Table table;
  std::ifstream in(file);
  for (std::string text; std::getline(in, text);) {
    if (!text.starts_with('|') || text.starts_with("|--") || text.starts_with("| --")) continue;
    const std::vector<std::string> row = cells(text);
    if (table.columns.empty()) {
      table.columns.assign(row.begin() + 1, row.end());
      continue;
    }
    for (std::size_t i = 1; i < row.size() && i <= table.columns.size(); ++i) {
      table.rows[row[0]][table.columns[i - 1]] = row[i];
    }
  }
  return table;
}

}  // namespace

void Summary::add(const Result& result) {
  OpCounts& counts = ops_[result.op];
  counts.cases.insert(result.case_id);
  ++counts.checks;
  counts.failed += result.passed ? 0 : 1;
  counts.worst_share = std::max(counts.worst_share, result.share_of_bound);
}

std::string Summary::text() const {
  char header[160];
  std::snprintf(header, sizeof header, "%-34s %6s %7s %7s %12s\n", "op", "cases", "checks",
                "failed", "worst share");
  std::string all = header;
  std::size_t cases = 0;
  int checks = 0, failed = 0;
  double share = 0;
  for (const auto& [op, counts] : ops_) {
    all += line(op, counts.cases.size(), counts.checks, counts.failed, counts.worst_share);
    cases += counts.cases.size();
    checks += counts.checks;
    failed += counts.failed;
    share = std::max(share, counts.worst_share);
  }
  return all + line("all", cases, checks, failed, share);
}

void write_table(const std::filesystem::path& file, const std::string& column,
                 const Summary& summary) {
  Table table = read_table(file);
  if (std::ranges::find(table.columns, column) == table.columns.end()) {
    table.columns.push_back(column);
  }
  for (auto& [op, row] : table.rows) row.erase(column);
  for (const auto& [op, counts] : summary.ops()) {
    char text[96];
    std::snprintf(text, sizeof text, "%zu / %d / %d, %.2f", counts.cases.size(), counts.checks,
                  counts.failed, counts.worst_share);
    table.rows[op][column] = text;
  }
  std::ofstream out(file);
  out << "# Conformance\n\n"
         "Cases / checks / failed, and the worst error as a share of its bound, per op and backend "
         "(the bounds are\nin [numerics.md](numerics.md)). Written by\n"
         "`soma_conformance_tests --backend NAME --numerics fast|exact|bf16 --table FILE`.\n\n| op "
         "|";
  for (const std::string& name : table.columns) out << ' ' << name << " |";
  out << "\n|---|";
  for (std::size_t i = 0; i < table.columns.size(); ++i) out << "---|";
  out << '\n';
  for (const auto& [op, row] : table.rows) {
    out << "| " << op << " |";
    for (const std::string& name : table.columns) {
      const auto cell = row.find(name);
      out << ' ' << (cell == row.end() ? "" : cell->second) << " |";
    }
    out << '\n';
  }
  if (!out.flush()) throw FormatError("cannot write " + file.string());
}

}  // namespace soma::conformance
