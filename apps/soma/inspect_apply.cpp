// soma inspect --apply: a cure carried out as a new run, and what it did.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "cures.hpp"
#include "inspection.hpp"
#include "report.hpp"
#include "table.hpp"
#include "training_run.hpp"

using nlohmann::ordered_json;
using soma::LayerExamination;

namespace {

constexpr int kStopped = 130;

const LayerExamination* layer_named(const Inspection& f, const std::string& name) {
  const auto& layers = f.examination.layers;
  const auto found = std::ranges::find(layers, name, &LayerExamination::name);
  return found == layers.end() ? nullptr : &*found;
}

std::string share(std::int64_t count, const LayerExamination& layer) {
  if (layer.units.empty()) return "";
  return fixed_number(100 * static_cast<double>(count) / static_cast<double>(layer.units.size()),
                      0) +
         " %";
}

std::string gradient(const LayerExamination& layer) {
  const bool known = layer.gradient && layer.gradient->output;
  return known ? brief_number(*layer.gradient->output) : "";
}

/// Layers of both, before and after.
void print_change(std::ostream& out, const Inspection& before, const Inspection& after) {
  using Align = Table::Align;
  Table table({{"layer"},
               {"dead", Align::right},
               {"after", Align::right},
               {"saturated", Align::right},
               {"after", Align::right},
               {"twins", Align::right},
               {"after", Align::right},
               {"gradient", Align::right},
               {"after", Align::right}});
  for (const LayerExamination& l : before.examination.layers) {
    const LayerExamination* now = layer_named(after, l.name);
    if (!l.is_judged || now == nullptr) continue;
    table.add({l.name, share(l.dead, l), share(now->dead, *now), share(l.saturated, l),
               share(now->saturated, *now), share(l.duplicates, l), share(now->duplicates, *now),
               gradient(l), gradient(*now)});
  }
  table.print(out);
  out << "\n"
      << after.part << " loss " << fixed_number(before.evaluation.loss, 4) << " -> "
      << fixed_number(after.evaluation.loss, 4);
  if (!after.evaluation.confusion.empty()) {
    out << ", accuracy " << percent(before.evaluation.accuracy) << " -> "
        << percent(after.evaluation.accuracy);
  }
  out << "\nalarms " << before.examination.alarms.size() << " -> "
      << after.examination.alarms.size() << "\n";
  for (const soma::Alarm& a : after.examination.alarms) {
    out << "still ALARM " << name_of(a.kind) << " (" << a.layer << "): " << a.finding << "\n";
  }
}

/// The cure asked for, or the first of the first alarm.
std::string chosen(const std::string& cure, const Inspection& before) {
  if (cure != "first") return cure;
  if (before.examination.alarms.empty()) {
    throw soma::StateError("inspect: " + before.source +
                           " raises no alarm, so there is no first "
                           "cure; name one");
  }
  return before.examination.alarms[0].cures[0].name;
}

}  // namespace

int apply_and_compare(const std::string& asked, const std::string& out, const Inspection& before,
                      const InspectionPlan& plan, bool json) {
  if (!before.has_run) throw UsageError("--apply: expected a run folder, got a model file");
  const std::string cure = chosen(asked, before);
  const RunFolder folder{before.source};
  Cured cured = apply_cure(cure, folder.read_config(), before.examination.alarms);
  if (plan.backend != "auto") cured.config.backend = plan.backend;
  if (plan.threads > 0) cured.config.threads = plan.threads;
  for (const std::string& change : cured.changes)
    std::cerr << "cure " << cure << ": " << change << "\n";
  soma::Model model = soma::Model::from_json(cured.config.architecture, "the cured model");
  soma::DataSplit data = soma::data::load(cured.config.data);
  std::string name = out;
  if (name.empty()) {
    name = before.source;
    while (name.size() > 1 && name.back() == '/') name.pop_back();
    name += "-" + cure;
  }
  const auto run = begin_run(std::move(cured.config), std::move(model), std::move(data), name);
  const TrainingRun::Result result = run->run();
  if (!result.finished) {
    std::cerr << "soma: stopped at step " << result.progress.step << " of " << run->target_steps()
              << " and saved; go on with: soma train --resume " << name << "\n";
    return kStopped;
  }
  const Inspection after = inspect_model(name, plan);
  if (json) {
    std::cout << ordered_json{{"cure", cure},
                              {"changes", cured.changes},
                              {"run", name},
                              {"before", inspection_json(before)},
                              {"after", inspection_json(after)}}
                     .dump()
              << "\n";
    return 0;
  }
  std::cout << "cure " << cure << ", run " << name << "\n";
  for (const std::string& change : cured.changes) std::cout << "    " << change << "\n";
  std::cout << "\n";
  print_change(std::cout, before, after);
  return 0;
}
