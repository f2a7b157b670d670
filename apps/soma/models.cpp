#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "recipes.hpp"
#include "session.hpp"
#include "table.hpp"

int run_models(Arguments args) {
  bool json = false;
  CommandLine line(
      "models", "[options]",
      "The built-in models, the data that each is made for and what it should reach there. "
      "'soma train NAME' trains\none so; --data trains it on other data, whose shape it "
      "takes.");
  line.flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  auto models = nlohmann::ordered_json::array();
  Table table({{"model"}, {"parameters", Table::Align::right}, {"data"}, {"figure to reach"}});
  for (const std::string& name : soma::Model::builtin_names()) {
    const Recipe& recipe = recipe_for(name);
    const std::int64_t parameters = soma::Model::named(name).parameter_count();
    table.add({name, grouped(parameters), std::string(recipe.data), std::string(recipe.figure)});
    models.push_back({{"name", name},
                      {"parameters", parameters},
                      {"data", recipe.data},
                      {"figure", recipe.figure}});
  }
  if (json) {
    std::cout << nlohmann::ordered_json{{"models", models}}.dump() << "\n";
    return 0;
  }
  table.print(std::cout);
  return 0;
}
