#include "run_config.hpp"

#include <nlohmann/json.hpp>

#include "command_line.hpp"

using nlohmann::ordered_json;

namespace {

ordered_json optimizer_json(const soma::Optimizer& optimizer) {
  ordered_json out = {{"type", optimizer.type}, {"learning_rate", optimizer.learning_rate}};
  for (const auto& [name, value] : optimizer.options.entries()) {
    std::visit([&, &name = name](const auto& v) { out[name] = v; }, value);
  }
  return out;
}

soma::Optimizer optimizer_from(const ordered_json& fields) {
  soma::Optimizer optimizer;
  for (const auto& [name, value] : fields.items()) {
    if (name == "type") {
      value.get_to(optimizer.type);
    } else if (name == "learning_rate") {
      value.get_to(optimizer.learning_rate);
    } else if (value.is_string()) {
      optimizer.options.set(name, value.get<std::string>());
    } else if (value.is_number_integer()) {
      optimizer.options.set(name, value.get<std::int64_t>());
    } else {
      optimizer.options.set(name, value.get<double>());
    }
  }
  return optimizer;
}

constexpr std::pair<const char*, double soma::Regularization::*> kRegularization[] = {
    {"l1", &soma::Regularization::l1},
    {"l2", &soma::Regularization::l2},
    {"clip_value", &soma::Regularization::clip_value},
    {"clip_norm", &soma::Regularization::clip_norm},
    {"max_norm", &soma::Regularization::max_norm}};

/// What is not used is left out.
ordered_json regularization_json(const soma::Regularization& regularization) {
  ordered_json out = ordered_json::object();
  for (const auto& [name, field] : kRegularization) {
    if (regularization.*field != 0) out[name] = regularization.*field;
  }
  return out;
}

}  // namespace

std::string RunConfig::to_json() const {
  const ordered_json fields = {{"soma_run", 1},
                               {"model", model},
                               {"data", data},
                               {"backend", backend},
                               {"fallback", fallback},
                               {"numerics", name_of(numerics)},
                               {"threads", threads},
                               {"epochs", epochs},
                               {"steps", steps},
                               {"batch", batch},
                               {"optimizer", optimizer_json(optimizer)},
                               {"schedule", schedule.str()},
                               {"regularization", regularization_json(regularization)},
                               {"augmentation", augmentation.str()},
                               {"habits", habits.to_json()},
                               {"seed", seed},
                               {"checkpoint_every", checkpoint_every},
                               {"train_sha256", train_sha256},
                               {"test_sha256", test_sha256},
                               {"class_names", class_names},
                               {"architecture", ordered_json::parse(architecture)}};
  return fields.dump(2) + "\n";
}

RunConfig RunConfig::from_json(const std::string& text, const std::string& origin) {
  const auto damaged = [&](const std::string& why) {
    return soma::FormatError(origin + ": not the configuration of a run: " + why);
  };
  const ordered_json fields = ordered_json::parse(text, nullptr, false);
  if (!fields.is_object()) throw damaged("not a JSON object");
  if (fields.value("soma_run", ordered_json()) != 1) throw damaged("expected \"soma_run\": 1");
  RunConfig config;
  std::string field;
  const auto get = [&](const char* name, auto& to) {
    field = name;
    fields.at(name).get_to(to);
  };
  try {
    get("model", config.model);
    get("data", config.data);
    get("backend", config.backend);
    get("threads", config.threads);
    get("epochs", config.epochs);
    get("steps", config.steps);
    get("batch", config.batch);
    get("seed", config.seed);
    get("checkpoint_every", config.checkpoint_every);
    get("train_sha256", config.train_sha256);
    get("test_sha256", config.test_sha256);
    get("class_names", config.class_names);
    std::string numerics;
    get("numerics", numerics);
    config.numerics = numerics_from_name(numerics);
    field = "optimizer";
    config.optimizer = optimizer_from(fields.at(field));
    field = "schedule";  // runs of earlier versions have none
    if (fields.contains(field)) config.schedule = fields.at(field).get<std::string>();
    field = "regularization";  // and none of this
    if (fields.contains(field)) {
      for (const auto& [name, member] : kRegularization) {
        config.regularization.*member = fields.at(field).value(name, 0.0);
      }
    }
    field = "fallback";
    if (fields.contains(field)) fields.at(field).get_to(config.fallback);
    field = "augmentation";
    if (fields.contains(field)) {
      config.augmentation = soma::Augmentation::from_text(fields.at(field).get<std::string>());
    }
    field = "habits";
    if (fields.contains(field)) config.habits = RunHabits::from_json(fields.at(field));
    field = "architecture";
    config.architecture = fields.at(field).dump();
  } catch (const ordered_json::exception&) {
    throw damaged("field \"" + field + "\" is missing or of the wrong type");
  } catch (const UsageError& e) {
    throw damaged(e.what());
  } catch (const soma::ShapeError& e) {
    throw damaged(e.what());
  }
  return config;
}

soma::Optimizer optimizer_named(const std::string& name, std::optional<double> learning_rate) {
  soma::Optimizer optimizer = soma::optimizer_from_name(name == "momentum" ? "sgd" : name);
  optimizer.learning_rate = learning_rate.value_or(default_learning_rate(name));
  if (name != "momentum") return optimizer;
  soma::Attributes options;
  for (const auto& [option, value] : optimizer.options.entries()) {
    options.set(option, option == "momentum" ? soma::Attributes::Value(0.9) : value);
  }
  optimizer.options = options;
  return optimizer;
}

double default_learning_rate(const std::string& optimizer) {
  if (optimizer == "momentum") return 0.02;
  return optimizer == "sgd" ? 0.1 : soma::optimizer_from_name(optimizer).learning_rate;
}

soma::Numerics numerics_from_name(const std::string& name) {
  const std::string choices[] = {"fast", "exact", "bf16"};
  require_one_of("numerics", name, choices);
  if (name == "bf16") return soma::Numerics::bf16;
  return name == "exact" ? soma::Numerics::exact : soma::Numerics::fast;
}
