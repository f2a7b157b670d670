#include "bench_compare.hpp"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "soma/error.hpp"

using nlohmann::json;

namespace {

struct Range {
  double median = 0, least = 0, most = 0;
};

std::string name_of(const json& result) {
  const bool model = result.contains("model");
  std::string name = result.at(model ? "model" : "case");
  if (model) {
    name += ", " + result.at("mode").get<std::string>() + ", batch " +
            std::to_string(result.at("batch").get<std::int64_t>());
  }
  name += ", " + result.at("backend").get<std::string>();
  if (result.at("numerics").is_string()) name += " " + result["numerics"].get<std::string>();
  const int threads = result.at("threads");
  return name + ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads");
}

std::vector<std::pair<std::string, Range>> ranges_of(const json& report) {
  std::vector<std::pair<std::string, Range>> ranges;
  for (const json& result : report.at("results")) {
    if (result.at("median_ms").is_null()) continue;
    ranges.emplace_back(name_of(result),
                        Range{result["median_ms"], result.at("min_ms"), result.at("max_ms")});
  }
  return ranges;
}

double factor(const Move& move) { return move.now_ms / move.before_ms; }

}  // namespace

Moves moves_between(const std::string& before, const std::string& file, const std::string& now) {
  std::map<std::string, Range> kept;
  try {
    for (auto& [name, range] : ranges_of(json::parse(before))) kept.emplace(name, range);
  } catch (const json::exception&) {
    throw soma::FormatError(file + ": expected figures that 'soma bench --save' wrote");
  }
  Moves moves{.file = file};
  for (const auto& [name, range] : ranges_of(json::parse(now))) {
    const auto old = kept.find(name);
    if (old == kept.end()) {
      moves.unknown.push_back(name);
    } else if (range.least > old->second.most) {
      moves.slower.push_back({name, old->second.median, range.median});
    } else if (range.most < old->second.least) {
      moves.faster.push_back({name, old->second.median, range.median});
    } else {
      ++moves.same;
    }
  }
  std::ranges::sort(moves.slower, std::greater(), factor);
  std::ranges::sort(moves.faster, std::less(), factor);
  return moves;
}
