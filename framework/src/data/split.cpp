#include "data/split.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "soma/error.hpp"
#include "soma/philox.hpp"

namespace soma::data {
namespace {

std::int64_t share_of(double share, std::int64_t n) {
  return std::llround(share * static_cast<double>(n));
}

/// Fisher & Yates, with draws that only (stream, group) decide.
void shuffle(std::vector<std::int64_t>& rows, const PhiloxStream& stream, std::uint32_t group) {
  for (std::size_t i = rows.size(); i-- > 1;) {
    const auto bits = stream.block(group, static_cast<std::uint32_t>(i));
    const std::uint64_t wide = std::uint64_t{bits[0]} << 32 | bits[1];
    const auto j = static_cast<std::size_t>((static_cast<unsigned __int128>(wide) * (i + 1)) >> 64);
    std::swap(rows[i], rows[j]);
  }
}

/// The first go to the test, the next to the validation, the rest to the training; in order, the
/// other way round: the last are the test.
void deal(std::vector<std::int64_t> rows, const SplitOptions& options, SplitRows& to) {
  const auto n = static_cast<std::int64_t>(rows.size());
  const std::int64_t tested = std::min(share_of(options.test, n), n);
  const std::int64_t validated = std::min(share_of(options.validation, n), n - tested);
  if (options.ordered) std::ranges::reverse(rows);
  const auto test_end = rows.begin() + tested, validation_end = test_end + validated;
  to.test.insert(to.test.end(), rows.begin(), test_end);
  to.validation.insert(to.validation.end(), test_end, validation_end);
  to.train.insert(to.train.end(), validation_end, rows.end());
}

}  // namespace

SplitRows split_rows(std::int64_t n, std::span<const std::int32_t> labels,
                     const SplitOptions& options) {
  std::map<std::int32_t, std::vector<std::int64_t>> groups;
  const bool by_class = options.stratify && !options.ordered && !labels.empty();
  for (std::int64_t i = 0; i < n; ++i) {
    groups[by_class ? labels[static_cast<std::size_t>(i)] : 0].push_back(i);
  }
  const PhiloxStream stream(options.seed, "data/split");
  SplitRows split;
  for (auto& [label, rows] : groups) {
    if (!options.ordered) shuffle(rows, stream, static_cast<std::uint32_t>(label));
    deal(std::move(rows), options, split);
  }
  for (auto* part : {&split.train, &split.validation, &split.test}) std::ranges::sort(*part);
  const auto refuse = [&](const std::string& part) {
    throw ShapeError("split: expected a sample or more for " + part + ", found none: " +
                     std::to_string(n) + " samples are too few for these shares");
  };
  if (split.train.empty()) refuse("training");
  if (split.test.empty() && options.test > 0) refuse("the test");
  if (split.validation.empty() && options.validation > 0) refuse("validation");
  return split;
}

SplitOptions split_options(Spec& spec, std::uint64_t seed, SplitOptions otherwise) {
  SplitOptions options = otherwise;
  options.test = spec.number_option("test", otherwise.test, 0, 0.9);
  options.validation = spec.number_option("validation", otherwise.validation, 0, 0.9);
  if (options.test + options.validation >= 1) {
    spec.fail("expected test and validation to leave something for training");
  }
  const std::string way = spec.choice_option("split", {"stratified", "random", "ordered"},
                                             otherwise.ordered ? "ordered" : "stratified");
  options.stratify = way == "stratified";
  options.ordered = way == "ordered";
  options.seed = spec.seed_option("seed", seed);
  return options;
}

DataSplit split(const Dataset& data, const SplitOptions& options) {
  std::vector<std::int32_t> labels;
  if (data.is_classification() && data.target_shape().rank() == 0) {
    std::vector<std::int64_t> rows(static_cast<std::size_t>(data.size()));
    std::iota(rows.begin(), rows.end(), std::int64_t{0});
    labels.resize(rows.size());
    data.gather_labels(rows, labels.data());
  }
  SplitRows rows = split_rows(data.size(), labels, options);
  DataSplit parts{data.select(std::move(rows.train)), {}, {}};
  parts.test = rows.test.empty() ? parts.train : data.select(std::move(rows.test));
  if (!rows.validation.empty()) parts.validation = data.select(std::move(rows.validation));
  return parts;
}

}  // namespace soma::data
