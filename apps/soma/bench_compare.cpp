#include "bench_compare.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "files.hpp"
#include "soma/error.hpp"

using nlohmann::json;

namespace {

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

std::vector<std::pair<std::string, Spread>> ranges_of(const json& report) {
  std::vector<std::pair<std::string, Spread>> ranges;
  for (const json& result : report.at("results")) {
    if (result.at("median_ms").is_null()) continue;
    ranges.emplace_back(name_of(result),
                        Spread{result["median_ms"], result.at("min_ms"), result.at("max_ms")});
  }
  return ranges;
}

double factor(const Move& move) { return move.now_ms / move.before_ms; }

}  // namespace

Baseline::Baseline(const std::string& file) : file_(file) {
  try {
    for (auto& [name, range] : ranges_of(json::parse(read_file(file)))) kept_.emplace(name, range);
  } catch (const json::exception&) {
    throw soma::FormatError(file + ": expected figures that 'soma bench --save' wrote");
  }
}

Moves Baseline::moves_to(const std::string& report) const {
  Moves moves{.file = file_};
  for (const auto& [name, range] : ranges_of(json::parse(report))) {
    const auto old = kept_.find(name);
    if (old == kept_.end()) {
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
