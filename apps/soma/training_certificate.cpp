#include "training_certificate.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "bench_report.hpp"
#include "certificate.hpp"
#include "command_line.hpp"
#include "file_hash.hpp"
#include "soma/plugins.hpp"

using nlohmann::ordered_json;
using Session = TrainingCertificate::Session;
using PluginFile = TrainingCertificate::PluginFile;

namespace {

constexpr int kFormat = 1;
constexpr const char* kSessionFields[] = {"backend", "fallback", "numerics",        "threads",
                                          "epochs",  "steps",    "checkpoint_every"};

ordered_json json_of(const PluginFile& plugin) {
  return {{"name", plugin.name},
          {"kind", plugin.kind},
          {"version", plugin.version},
          {"path", plugin.path.string()},
          {"sha256", plugin.sha256}};
}

ordered_json json_of(const Session& session) {
  auto plugins = ordered_json::array();
  for (const PluginFile& plugin : session.plugins) plugins.push_back(json_of(plugin));
  return {{"from_step", session.from_step},
          {"epochs", session.epochs},
          {"steps", session.steps},
          {"backend", session.backend},
          {"fallback", session.fallback},
          {"numerics", name_of(session.numerics)},
          {"threads", session.threads},
          {"class", session.exact ? "exact" : "bounded"},
          {"cpu", session.cpu},
          {"host_build", session.host_build},
          {"plugins", plugins}};
}

Session session_from(const ordered_json& fields) {
  Session session;
  fields.at("from_step").get_to(session.from_step);
  fields.at("epochs").get_to(session.epochs);
  fields.at("steps").get_to(session.steps);
  fields.at("backend").get_to(session.backend);
  fields.at("fallback").get_to(session.fallback);
  session.numerics = numerics_from_name(fields.at("numerics").get<std::string>());
  fields.at("threads").get_to(session.threads);
  session.exact = fields.at("class") == "exact";
  fields.at("cpu").get_to(session.cpu);
  fields.at("host_build").get_to(session.host_build);
  for (const auto& plugin : fields.at("plugins")) {
    session.plugins.push_back(
        {plugin.at("name").get<std::string>(), plugin.at("kind").get<std::string>(),
         plugin.at("version").get<std::string>(), plugin.at("path").get<std::string>(),
         plugin.at("sha256").get<std::string>()});
  }
  return session;
}

/// JSON has null for what is not finite.
double loss_from(const ordered_json& loss) {
  return loss.is_null() ? std::numeric_limits<double>::quiet_NaN() : loss.get<double>();
}

/// Of the text without the certificate's own hash.
std::string own_hash(const ordered_json& fields) {
  ordered_json rest = fields;
  rest.erase("certificate_sha256");
  return sha256_of_text(rest.dump());
}

}  // namespace

std::string deciding_json(const RunConfig& config) {
  ordered_json fields = ordered_json::parse(config.to_json());
  for (const char* field : kSessionFields) fields.erase(field);
  return fields.dump();
}

void TrainingCertificate::begin(Session session, std::int64_t steps_per_epoch) {
  const std::int64_t from = session.from_step;
  std::erase_if(epochs,
                [&](const Epoch& e) { return e.step > from || e.step % steps_per_epoch != 0; });
  std::erase_if(sessions, [&](const Session& s) { return s.from_step >= from; });
  sessions.push_back(std::move(session));
}

void TrainingCertificate::add(Epoch epoch) {
  if (!epochs.empty() && epochs.back().step == epoch.step) epochs.pop_back();
  epochs.push_back(std::move(epoch));
}

std::string TrainingCertificate::to_json() const {
  auto session_list = ordered_json::array(), epoch_list = ordered_json::array();
  for (const Session& session : sessions) session_list.push_back(json_of(session));
  for (const Epoch& e : epochs) {
    epoch_list.push_back({{"epoch", e.epoch},
                          {"step", e.step},
                          {"loss", e.loss},
                          {"weights_sha256", e.weights_sha256}});
  }
  ordered_json fields = {{"soma_certificate", kFormat},
                         {"model", config.model},
                         {"data", config.data},
                         {"train_sha256", config.train_sha256},
                         {"test_sha256", config.test_sha256},
                         {"architecture_sha256", sha256_of_text(config.architecture)},
                         {"config_sha256", sha256_of_text(deciding_json(config))},
                         {"seed", config.seed},
                         {"start", {{"weights_sha256", start_sha256}}},
                         {"epochs", epoch_list},
                         {"sessions", session_list},
                         {"config", ordered_json::parse(config.to_json())}};
  fields["certificate_sha256"] = own_hash(fields);
  return fields.dump(1) + "\n";
}

TrainingCertificate TrainingCertificate::from_json(const std::string& text,
                                                   const std::string& origin) {
  const auto damaged = [&](const std::string& why) {
    return soma::FormatError(origin + ": not the certificate of a run: " + why);
  };
  const ordered_json fields = ordered_json::parse(text, nullptr, false);
  if (!fields.is_object()) throw damaged("not a JSON object");
  if (fields.value("soma_certificate", ordered_json()) != kFormat) {
    throw damaged("expected \"soma_certificate\": " + std::to_string(kFormat));
  }
  if (fields.value("certificate_sha256", ordered_json()) != own_hash(fields)) {
    throw damaged("it was changed or damaged, its text has another SHA-256 than it says");
  }
  TrainingCertificate certificate;
  try {
    certificate.config = RunConfig::from_json(fields.at("config").dump(), origin + ", config");
    fields.at("start").at("weights_sha256").get_to(certificate.start_sha256);
    for (const auto& session : fields.at("sessions")) {
      certificate.sessions.push_back(session_from(session));
    }
    for (const auto& e : fields.at("epochs")) {
      certificate.epochs.push_back({e.at("epoch").get<std::int64_t>(),
                                    e.at("step").get<std::int64_t>(), loss_from(e.at("loss")),
                                    e.at("weights_sha256").get<std::string>()});
    }
  } catch (const ordered_json::exception& e) {
    throw damaged(e.what());
  } catch (const UsageError& e) {
    throw damaged(e.what());
  }
  if (certificate.sessions.empty()) throw damaged("it has no session");
  return certificate;
}

Session session_of(const RunConfig& config, const soma::Backend& backend, soma::Trainer& trainer,
                   std::int64_t samples) {
  Session session;
  session.from_step = trainer.progress().step;
  session.epochs = config.epochs;
  session.steps = config.steps;
  session.backend = backend.name();
  session.fallback = config.fallback;
  session.numerics = config.numerics;
  session.threads = trainer.threads();
  session.cpu = cpu_name();
  session.host_build = host_build();
  const std::int64_t batch = std::min(config.batch, samples);
  session.exact = true;
  for (const std::int64_t rows : {batch, samples % batch}) {
    if (rows == 0) continue;
    for (const auto& kernel : trainer.kernels(rows)) {
      session.exact = session.exact && kernel.exactness == soma::Exactness::exact;
    }
  }
  for (const soma::PluginRecord& plugin : soma::plugins_in_use()) {
    const bool is_backend = std::ranges::any_of(
        plugin.brings, [](const soma::Brought& b) { return b.kind == "backend"; });
    const bool computes = std::ranges::any_of(plugin.brings, [&](const soma::Brought& b) {
      return b.kind == "backend" && (b.name == backend.name() || b.name == config.fallback);
    });
    if (is_backend && !computes) continue;  // "auto" looked at it
    session.plugins.push_back(
        {plugin.name, plugin.kind, plugin.version, plugin.path, sha256_of_file(plugin.path)});
  }
  return session;
}
