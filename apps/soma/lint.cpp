#include "lint.hpp"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "recipes.hpp"
#include "session.hpp"
#include "soma/trainer.hpp"

namespace {

struct Request {
  std::string model, data, optimizer;
  std::optional<double> learning_rate, momentum;
  std::optional<std::int64_t> batch;
  bool strict = false, json = false;
};

/// What `soma train` would do: the run's own settings, else the model's defaults; the command line
/// goes first.
TrainingPlan plan_of(const Request& r, const soma::Model& model,
                     const std::optional<RunConfig>& run) {
  TrainingPlan plan;
  const Recipe& recipe = recipe_for(model.name());
  plan.optimizer = recipe.optimizer;
  plan.learning_rate = recipe.learning_rate;
  plan.batch = recipe.batch;
  plan.clips = recipe.clip_norm > 0;
  if (run) {
    plan.optimizer = run->optimizer.type;
    plan.learning_rate = run->optimizer.learning_rate;
    plan.momentum = run->optimizer.options.real("momentum", 0);
    plan.batch = run->batch;
    plan.clips = run->regularization.clip_norm > 0 || run->regularization.clip_value > 0;
  }
  if (!r.optimizer.empty()) {
    if (r.optimizer != "momentum") soma::optimizer_from_name(r.optimizer);
    if (r.optimizer != plan.optimizer) plan.learning_rate = default_learning_rate(r.optimizer);
    plan.optimizer = r.optimizer;
  }
  if (plan.optimizer == "momentum") plan.momentum = r.momentum.value_or(0.9);
  if (r.momentum) plan.momentum = *r.momentum;
  if (plan.optimizer == "sgd" && plan.momentum > 0) plan.optimizer = "momentum";
  plan.learning_rate = r.learning_rate.value_or(plan.learning_rate);
  plan.batch = r.batch.value_or(plan.batch);
  return plan;
}

std::vector<Finding> findings_of(const LintSubject& subject) {
  std::vector<Finding> findings;
  bool fits = false;
  if (subject.data != nullptr) {
    try {
      require_fit(subject.model, subject.data->train);
      fits = true;
    } catch (const soma::ShapeError& e) {
      findings.push_back({Finding::Severity::error, "data-mismatch", "", e.what(),
                          "change the model's input, output or loss, or take other data"});
    }
  }
  lint_structure(subject, findings);
  lint_initialisation(subject, findings);
  lint_losses(subject, findings);
  lint_training(subject, findings);
  if (fits) lint_data(subject, findings);
  std::ranges::stable_sort(findings, std::greater(), &Finding::severity);
  return findings;
}

void print(const LintSubject& s, const std::vector<Finding>& findings) {
  std::cout << s.model.name() << ", " << s.plan.optimizer << " "
            << short_number(s.plan.learning_rate) << ", batch " << s.plan.batch;
  if (s.data != nullptr) std::cout << ", " << grouped(s.data->train.size()) << " samples";
  std::cout << "\n";
  for (const Finding& f : findings) {
    std::cout << "\n" << name_of(f.severity) << " " << f.code;
    if (!f.layer.empty()) std::cout << " (" << f.layer << ")";
    std::cout << ": " << f.why << "\n    cure: " << f.cure << "\n";
  }
  if (findings.empty()) std::cout << "\nnothing to complain about\n";
}

}  // namespace

int run_lint(Arguments args) {
  Request r;
  CommandLine line(
      "lint", "MODEL|RUN|FILE [--data SPEC] [options]",
      "Says before training what will go wrong, and what to do about it: in the model, "
      "in how it is to be trained\nand in the data. Exit code 1 if there is an error.");
  line.positional("MODEL", &r.model)
      .option("data", &r.data, "SPEC", "the data it is to be trained on")
      .option("optimizer", &r.optimizer, "NAME", "as for train (default: by model)")
      .option("lr", &r.learning_rate, "X", "learning rate (default: by model or optimizer)")
      .option("momentum", &r.momentum, "X", "of sgd")
      .option("batch", &r.batch, "B", "samples per update (default: by model)")
      .flag("strict", &r.strict, "exit code 1 for a warning, too")
      .flag("json", &r.json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("batch", r.batch, 1);

  std::optional<RunConfig> run;
  if (std::filesystem::is_directory(r.model)) {
    run = RunFolder{r.model}.read_config();
    if (r.data.empty()) r.data = run->data;
  }
  std::optional<soma::DataSplit> data;
  if (!r.data.empty()) data = soma::data::load(r.data);
  const bool is_name = !run && !r.model.ends_with(".safetensors");
  const soma::Model model =
      is_name && data ? soma::Model::named(r.model, data->train) : any_model(r.model);
  const LintSubject subject(model, plan_of(r, model, run), data ? &*data : nullptr);
  const std::vector<Finding> findings = findings_of(subject);
  const auto count = [&](Finding::Severity severity) {
    return std::ranges::count(findings, severity, &Finding::severity);
  };
  const auto errors = count(Finding::Severity::error), warnings = count(Finding::Severity::warning);
  if (r.json) {
    auto list = nlohmann::ordered_json::array();
    for (const Finding& f : findings) {
      list.push_back(
          {{"code", f.code},
           {"severity", name_of(f.severity)},
           {"layer", f.layer.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(f.layer)},
           {"why", f.why},
           {"cure", f.cure}});
    }
    std::cout << nlohmann::ordered_json{{"model", model.name()},
                                        {"data", r.data},
                                        {"optimizer", subject.plan.optimizer},
                                        {"learning_rate", subject.plan.learning_rate},
                                        {"batch", subject.plan.batch},
                                        {"errors", errors},
                                        {"warnings", warnings},
                                        {"findings", list}}
                     .dump()
              << "\n";
  } else {
    print(subject, findings);
  }
  return errors > 0 || (r.strict && warnings > 0) ? 1 : 0;
}
