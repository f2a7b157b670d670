#include "data/tables.hpp"

#include <algorithm>

#include "soma/error.hpp"

namespace soma::data {

namespace {

constexpr double kThird = 1.0 / 3;

std::vector<std::string> frequency_bands() {
  std::vector<std::string> names;
  for (int band = 1; band <= 60; ++band) names.push_back("band " + std::to_string(band));
  names.emplace_back("object");
  return names;
}

}  // namespace

std::span<const NamedTable> named_tables() {
  static const NamedTable tables[] = {
      {"wine",
       "Italian wines, 13 measurements, 3 cultivars; 118 train, 60 test",
       "tabular/wine.csv",
       {{"alcohol", "malic acid", "ash", "alcalinity of ash", "magnesium", "total phenols",
         "flavanoids", "nonflavanoid phenols", "proanthocyanins", "colour intensity", "hue",
         "OD280/OD315", "proline", "cultivar"},
        "cultivar",
        kThird}},
      {"banknote",
       "banknotes, 4 features of their image, forged or not; 1,098 train, 274 test",
       "tabular/banknote_authentication.csv",
       {{"variance", "skewness", "curtosis", "entropy", "class"}, "class"}},
      {"sonar",
       "sonar echoes in 60 bands, mine or rock; 167 train, 41 test",
       "tabular/sonar.csv",
       {frequency_bands(), "object"}},
      {"abalone",
       "shellfish, sex and 7 measurements, number of rings; 3,342 train, 835 test",
       "tabular/abalone.csv",
       {{"sex", "length", "diameter", "height", "whole weight", "shucked weight", "viscera weight",
         "shell weight", "rings"},
        "rings"}},
  };
  return tables;
}

DataSplit load_named_table(Spec spec, const LoadOptions& options,
                           const std::filesystem::path& place) {
  const auto table = std::ranges::find(named_tables(), spec.form(), &NamedTable::name);
  if (!std::filesystem::exists(place)) {
    spec.fail("expected " + place.string() + ", found none" + how_to_get(spec.form()));
  }
  return load_csv(std::move(spec), place.string(), options, table->defaults);
}

}  // namespace soma::data
