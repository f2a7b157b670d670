#pragma once

#include <filesystem>
#include <map>
#include <ostream>
#include <string>
#include <vector>

#include "soma/conformance/certify.hpp"

/// True if an op is the one that was asked for, of its family ("linear/1", "linear"), or if none
/// was.
bool matches_op(const std::string& op, const std::string& wanted);

/// What was asked for.
struct CertifyRequest {
  std::string subject;  ///< as the user said it: a backend's name or a file
  std::filesystem::path file;
  soma::conformance::CertifyOptions options;
  bool default_threads = true;
  std::vector<soma::conformance::Level> levels;  ///< in order
  std::string op;                                ///< only items of this op id or family; empty: all
  std::string name;                              ///< only the item of this name; empty: all
  double timeout_seconds = 60;
  std::string fields, inputs;  ///< as the user said them; what they mean is in `options`

  bool wants(soma::conformance::Level level) const;
  bool wants(const soma::conformance::Item& item) const;
};

/// An item and what came of it.
struct ItemResult {
  soma::conformance::Item item;
  soma::conformance::Verdict verdict;
};

/// How long an op takes against others: level C7.
struct SpeedRow {
  std::string op;
  std::map<std::string, double> milliseconds;  ///< by contestant; missing: it did not run
};

/// Everything that a certification found.
struct Certificate {
  CertifyRequest request;
  std::string plugin, version, kind;   ///< of the file: its name, and what it brings
  std::string sha256;                  ///< of the file
  std::vector<std::string> unclaimed;  ///< ops that exist and that it does not declare
  std::vector<ItemResult> results;
  std::vector<SpeedRow> speed;
  double seconds = 0;

  bool passed() const;
  /// The command that asks one item again, alone.
  std::string rerun(const soma::conformance::Item& item) const;
  std::string rerun_start() const;  ///< the same up to --level
};

/// One line of the report: the items of an op at a level.
struct Cell {
  soma::conformance::Level level;
  std::string op;
  int cases = 0;    ///< items asked
  int refused = 0;  ///< of them declined by the subject, with a reason
  int failed = 0;   ///< of them with a check that failed
  int checks = 0;
  double worst_share = 0;
};
/// By level, then by op in the order met.
std::vector<Cell> cells_of(const Certificate& certificate);

/// "soma 0.1.0, g++ 12.2.0"
std::string host_build();

/// Tables for people: one row per level, and per op where few were asked; then what failed.
void print_certificate(const Certificate& certificate, std::ostream& out);
/// One line of JSON, as framework/docs/cli.md says.
std::string certificate_json(const Certificate& certificate);
