#include "compare_runs.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>

#include "files.hpp"
#include "lockstep.hpp"
#include "session.hpp"
#include "soma/conformance/compare.hpp"
#include "table.hpp"
#include "training_certificate.hpp"

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using Epoch = TrainingCertificate::Epoch;

namespace {

/// A run folder with what it has.
struct Run {
  RunFolder folder;
  RunConfig config;
  std::optional<TrainingCertificate> certificate;
  std::optional<soma::Model> model;  ///< of a finished run
};

Run read_run(const std::string& path) {
  Run run{.folder = {path}};
  run.config = run.folder.read_config();
  if (fs::exists(run.folder.certificate())) {
    run.certificate = TrainingCertificate::from_json(read_file(run.folder.certificate()),
                                                     run.folder.certificate().string());
  }
  if (fs::exists(run.folder.model())) run.model = soma::Model::load(run.folder.model());
  return run;
}

/// A field of two JSON values that differ, as text.
struct Field {
  std::string name, a, b;
};

/// "/optimizer/learning_rate" of both, where they differ.
std::vector<Field> differing_fields(const std::string& a, const std::string& b) {
  const ordered_json x = ordered_json::parse(a).flatten(), y = ordered_json::parse(b).flatten();
  std::vector<Field> fields;
  const auto text = [](const ordered_json& all, const std::string& name) {
    return all.contains(name) ? all.at(name).dump() : std::string("none");
  };
  const auto add = [&](const ordered_json& from) {
    for (const auto& [name, value] : from.items()) {
      const bool known = std::ranges::find(fields, name.substr(1), &Field::name) != fields.end();
      if (!known && text(x, name) != text(y, name)) {
        fields.push_back({name.substr(1), text(x, name), text(y, name)});
      }
    }
  };
  add(x);
  add(y);
  for (Field& field : fields) std::ranges::replace(field.name, '/', '.');
  return fields;
}

/// How the last sessions of two runs computed: no reason for other bits, but where they may come
/// from.
std::vector<Field> differing_circumstances(const Run& a, const Run& b) {
  if (!a.certificate || !b.certificate) return {};
  const auto describe = [](const Run& run) {
    const auto& session = run.certificate->sessions.back();
    ordered_json fields = {{"backend", session.backend},
                           {"fallback", session.fallback},
                           {"numerics", name_of(session.numerics)},
                           {"threads", session.threads},
                           {"cpu", session.cpu},
                           {"host_build", session.host_build}};
    for (const auto& plugin : session.plugins) fields["plugin " + plugin.name] = plugin.sha256;
    return fields.dump();
  };
  return differing_fields(describe(a), describe(b));
}

/// The first epoch that both have and that ended differently.
std::optional<std::pair<Epoch, Epoch>> first_differing_epoch(const Run& a, const Run& b) {
  if (!a.certificate || !b.certificate) return std::nullopt;
  for (const Epoch& x : a.certificate->epochs) {
    const auto y = std::ranges::find(b.certificate->epochs, x.step, &Epoch::step);
    if (y == b.certificate->epochs.end()) continue;
    const bool same_loss = x.loss == y->loss || (!std::isfinite(x.loss) && !std::isfinite(y->loss));
    if (x.weights_sha256 != y->weights_sha256 || !same_loss) return {{x, *y}};
  }
  return std::nullopt;
}

/// The first parameter of two models that differs, and where.
struct WeightDifference {
  std::string parameter, note;
  std::size_t element = 0, differing = 0, elements = 0;
  float a = 0, b = 0;
  std::size_t parameters = 0, differing_parameters = 0;
};

std::optional<WeightDifference> differing_weights(const soma::Model& a, const soma::Model& b) {
  std::optional<WeightDifference> first;
  std::size_t count = 0;
  const auto note = [&](const std::string& name) -> WeightDifference* {
    if (++count > 1) return nullptr;
    first = WeightDifference{.parameter = name, .parameters = a.parameters().size()};
    return &*first;
  };
  for (const soma::Parameter& x : a.parameters()) {
    const auto y = std::ranges::find(b.parameters(), x.name, &soma::Parameter::name);
    if (y == b.parameters().end() || y->value.shape() != x.value.shape()) {
      if (WeightDifference* d = note(x.name)) {
        d->note = y == b.parameters().end()
                      ? "b has none of that name"
                      : "a has shape " + x.value.shape().str() + ", b " + y->value.shape().str();
      }
      continue;
    }
    const auto p = x.value.as<float>(), q = y->value.as<float>();
    std::size_t differing = 0, element = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (!soma::conformance::same_bits(p[i], q[i]) && differing++ == 0) element = i;
    }
    if (differing == 0) continue;
    if (WeightDifference* d = note(x.name)) {
      d->element = element;
      d->differing = differing;
      d->elements = p.size();
      d->a = p[element];
      d->b = q[element];
    }
  }
  if (first) first->differing_parameters = count;
  return first;
}

struct RunComparison {
  std::vector<Field> config, circumstances;
  std::optional<std::pair<Epoch, Epoch>> epoch;
  std::size_t epochs = 0;  ///< that both have
  std::optional<WeightDifference> weights;
  std::vector<std::string> notes;
  std::optional<Comparison> replay;

  bool same() const { return config.empty() && !epoch && !weights; }
};

RunComparison compare(const Run& a, const Run& b, std::optional<std::int64_t> steps) {
  RunComparison result;
  result.config = differing_fields(deciding_json(a.config), deciding_json(b.config));
  result.circumstances = differing_circumstances(a, b);
  for (const Run* run : {&a, &b}) {
    const std::string name = run->folder.path.string();
    if (!run->certificate) result.notes.push_back(name + " has no certificate.json");
    if (!run->model)
      result.notes.push_back(name + " is not finished, it has no weights to compare");
  }
  if (a.certificate && b.certificate) {
    for (const Epoch& e : a.certificate->epochs) {
      const auto& others = b.certificate->epochs;
      if (std::ranges::find(others, e.step, &Epoch::step) != others.end()) ++result.epochs;
    }
    if (a.certificate->epochs.size() != b.certificate->epochs.size()) {
      result.notes.push_back("a has " + std::to_string(a.certificate->epochs.size()) +
                             " epochs, b " + std::to_string(b.certificate->epochs.size()));
    }
  }
  result.epoch = first_differing_epoch(a, b);
  if (a.model && b.model) result.weights = differing_weights(*a.model, *b.model);
  if (!result.config.empty() || !result.epoch) return result;
  require_data(a.config);
  ReplayJob left = replay_job(*a.certificate, recorded_side(*a.certificate, result.epoch->first));
  ReplayJob right = replay_job(*b.certificate, recorded_side(*b.certificate, result.epoch->second));
  left.until = right.until =
      std::min(steps.value_or(result.epoch->first.step), result.epoch->first.step);
  result.replay = compare_in_lockstep(left, right);
  return result;
}

void print_fields(const std::string& title, const std::vector<Field>& fields, std::ostream& out) {
  constexpr std::size_t kMost = 20;
  if (fields.empty()) return;
  Table table({{title}, {"a"}, {"b"}});
  for (std::size_t i = 0; i < std::min(fields.size(), kMost); ++i) {
    table.add({fields[i].name, fields[i].a, fields[i].b});
  }
  table.print(out);
  if (fields.size() > kMost) out << "... and " << fields.size() - kMost << " more\n";
  out << "\n";
}

void print(const RunComparison& result, std::ostream& out) {
  print_fields("configuration", result.config, out);
  print_fields("circumstances", result.circumstances, out);
  for (const std::string& note : result.notes) out << note << "\n";
  if (result.epoch) {
    const auto& [a, b] = *result.epoch;
    char losses[96];
    std::snprintf(losses, sizeof losses, "loss %.9g and %.9g", a.loss, b.loss);
    out << "epochs   " << result.epochs << " in common; the first to differ is epoch " << a.epoch
        << " (step " << a.step << "): weights " << a.weights_sha256.substr(0, 12) << " and "
        << b.weights_sha256.substr(0, 12) << ", " << losses << "\n";
  } else if (result.epochs > 0) {
    out << "epochs   " << result.epochs << " in common, all the same\n";
  }
  if (result.weights) {
    const WeightDifference& w = *result.weights;
    out << "weights  " << w.differing_parameters << " of " << w.parameters
        << " parameters differ; the first is " << w.parameter << ", ";
    if (w.note.empty()) {
      char values[96];
      std::snprintf(values, sizeof values, "%.9g and %.9g", static_cast<double>(w.a),
                    static_cast<double>(w.b));
      out << "element " << w.element << ": " << values;
      if (!std::isnan(w.a) && !std::isnan(w.b)) {
        out << ", " << grouped(soma::conformance::ulp_distance(w.a, w.b)) << " ulp apart";
      }
      out << "; " << w.differing << " of its " << w.elements << " elements differ\n";
    } else {
      out << w.note << "\n";
    }
  }
  if (result.replay) {
    out << "\nboth again from the first step on, in lock-step\n";
    print_comparison(*result.replay, out);
    if (result.replay->passed() && !result.replay->first) {
      out << kAgreedAfterAll;
    }
  }
  out << (result.same() ? "\nthe runs are the same\n" : "\nthe runs DIFFER\n");
}

ordered_json json_of(const std::vector<Field>& fields) {
  auto list = ordered_json::array();
  for (const Field& f : fields) list.push_back({{"field", f.name}, {"a", f.a}, {"b", f.b}});
  return list;
}

ordered_json json_of(const Epoch& e) {
  return {{"loss", std::isfinite(e.loss) ? ordered_json(e.loss) : ordered_json()},
          {"weights_sha256", e.weights_sha256}};
}

ordered_json json_of(const RunComparison& result, const Run& a, const Run& b) {
  ordered_json line = {{"same", result.same()},
                       {"a", a.folder.path.string()},
                       {"b", b.folder.path.string()},
                       {"config", json_of(result.config)},
                       {"circumstances", json_of(result.circumstances)},
                       {"notes", result.notes},
                       {"epochs", result.epochs},
                       {"first_epoch", nullptr},
                       {"weights", nullptr},
                       {"replay", nullptr}};
  if (result.epoch) {
    line["first_epoch"] = {{"epoch", result.epoch->first.epoch},
                           {"step", result.epoch->first.step},
                           {"a", json_of(result.epoch->first)},
                           {"b", json_of(result.epoch->second)}};
  }
  if (result.weights) {
    const WeightDifference& w = *result.weights;
    const auto finite = [](float x) { return std::isfinite(x) ? ordered_json(x) : ordered_json(); };
    line["weights"] = {
        {"parameters", w.parameters}, {"differing_parameters", w.differing_parameters},
        {"parameter", w.parameter},   {"note", w.note},
        {"element", w.element},       {"a", finite(w.a)},
        {"b", finite(w.b)},           {"differing", w.differing},
        {"elements", w.elements}};
  }
  if (result.replay) line["replay"] = comparison_json(*result.replay);
  return line;
}

}  // namespace

int compare_runs(const std::string& a, const std::string& b, std::optional<std::int64_t> steps,
                 bool json) {
  const Run left = read_run(a), right = read_run(b);
  const RunComparison result = compare(left, right, steps);
  if (json) {
    std::cout
        << json_of(result, left, right).dump(-1, ' ', false, ordered_json::error_handler_t::replace)
        << "\n";
  } else {
    std::cout << "a  " << a << "\nb  " << b << "\n\n";
    print(result, std::cout);
  }
  return result.same() ? 0 : 1;
}
