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

/// The members of a certificate by their place, "/sessions/0/threads". What is missing or of
/// another type is a FormatError of one sentence.
class Members {
 public:
  Members(const ordered_json& fields, std::string trouble)
      : fields_(fields), trouble_(std::move(trouble)) {}

  const ordered_json& at(const std::string& place, bool (ordered_json::*is)() const noexcept,
                         const char* expected) const {
    const ordered_json::json_pointer pointer(place);
    if (!fields_.contains(pointer)) {
      fail("expected " + place + ", " + expected + ", found none");
    }
    const ordered_json& value = fields_.at(pointer);
    if (!(value.*is)()) {
      fail(place + ": expected " + expected + ", found " + value.type_name());
    }
    return value;
  }
  std::string text(const std::string& place) const {
    return at(place, &ordered_json::is_string, "a text").get<std::string>();
  }
  /// Of a SHA-256.
  std::string hash(const std::string& place) const {
    std::string value = text(place);
    const bool digits = std::ranges::all_of(
        value, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
    if (value.size() != 64 || !digits) fail(place + ": expected a SHA-256 in hexadecimal digits");
    return value;
  }
  std::int64_t count(const std::string& place, std::uint64_t most = 1ull << 53) const {
    const auto& value = at(place, &ordered_json::is_number_unsigned, "a count");
    if (value.get<std::uint64_t>() > most)
      fail(place + ": expected at most " + std::to_string(most));
    return value.get<std::int64_t>();
  }
  /// The places of an array's elements.
  std::vector<std::string> elements(const std::string& place) const {
    std::vector<std::string> places;
    const std::size_t size = at(place, &ordered_json::is_array, "a list").size();
    for (std::size_t i = 0; i < size; ++i) places.push_back(place + "/" + std::to_string(i));
    return places;
  }
  /// For what stands in two places: the hash of it, or itself.
  void require_same(const std::string& place, const std::string& found, const char* with) const {
    if (text(place) != found) fail(place + " is not that of " + with);
  }
  [[noreturn]] void fail(const std::string& why) const { throw soma::FormatError(trouble_ + why); }

 private:
  const ordered_json& fields_;
  std::string trouble_;
};

Session session_from(const Members& members, const std::string& place) {
  Session session;
  session.from_step = members.count(place + "/from_step");
  session.epochs = members.count(place + "/epochs");
  session.steps = members.count(place + "/steps");
  session.backend = members.text(place + "/backend");
  session.fallback = members.text(place + "/fallback");
  session.numerics = numerics_from_name(members.text(place + "/numerics"));
  session.threads = static_cast<int>(members.count(place + "/threads", 1 << 20));
  const std::string kernels = members.text(place + "/class");
  if (kernels != "exact" && kernels != "bounded") {
    members.fail(place + "/class: expected exact or bounded");
  }
  session.exact = kernels == "exact";
  session.cpu = members.text(place + "/cpu");
  session.host_build = members.text(place + "/host_build");
  for (const std::string& plugin : members.elements(place + "/plugins")) {
    session.plugins.push_back({members.text(plugin + "/name"), members.text(plugin + "/kind"),
                               members.text(plugin + "/version"), members.text(plugin + "/path"),
                               members.hash(plugin + "/sha256")});
  }
  return session;
}

/// JSON has null for what is not finite.
double loss_from(const Members& members, const std::string& place) {
  const auto& loss = members.at(place, &ordered_json::is_primitive, "a number or null");
  if (loss.is_null()) return std::numeric_limits<double>::quiet_NaN();
  return members.at(place, &ordered_json::is_number, "a number or null").get<double>();
}

std::string architecture_sha256(const ordered_json& config) {
  return sha256_of_text(config.at("architecture").dump());
}

/// Whether what was understood of a text says the same, as far as it goes: 2.5 is no batch of 2.
bool agrees(const ordered_json& text, const ordered_json& understood) {
  if (!text.is_object() || !understood.is_object()) return text == understood;
  const auto items = text.items();
  return std::all_of(items.begin(), items.end(), [&](const auto& item) {
    return !understood.contains(item.key()) || agrees(item.value(), understood.at(item.key()));
  });
}

std::string deciding_text(ordered_json config) {
  for (const char* field : kSessionFields) config.erase(field);
  return config.dump();
}

/// Of the text without the certificate's own hash.
std::string own_hash(const ordered_json& fields) {
  ordered_json rest = fields;
  rest.erase("certificate_sha256");
  return sha256_of_text(rest.dump());
}

}  // namespace

std::string deciding_json(const RunConfig& config) {
  return deciding_text(ordered_json::parse(config.to_json()));
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
  const ordered_json configuration = ordered_json::parse(config.to_json());
  ordered_json fields = {{"soma_certificate", kFormat},
                         {"model", config.model},
                         {"data", config.data},
                         {"train_sha256", config.train_sha256},
                         {"test_sha256", config.test_sha256},
                         {"architecture_sha256", architecture_sha256(configuration)},
                         {"config_sha256", sha256_of_text(deciding_text(configuration))},
                         {"seed", config.seed},
                         {"start", {{"weights_sha256", start_sha256}}},
                         {"epochs", epoch_list},
                         {"sessions", session_list},
                         {"config", configuration}};
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
  const Members members(fields, origin + ": not the certificate of a run: ");
  TrainingCertificate certificate;
  const ordered_json& config = members.at("/config", &ordered_json::is_object, "an object");
  RunConfig& c = certificate.config = RunConfig::from_json(config.dump(), origin + ", config");
  if (!agrees(config, ordered_json::parse(c.to_json()))) {
    members.fail("config has a number of the wrong kind");
  }
  members.require_same("/model", c.model, "config");
  members.require_same("/data", c.data, "config");
  members.require_same("/train_sha256", c.train_sha256, "config");
  members.require_same("/test_sha256", c.test_sha256, "config");
  members.require_same("/architecture_sha256", architecture_sha256(config), "config/architecture");
  members.require_same("/config_sha256", sha256_of_text(deciding_text(config)), "config");
  if (members.at("/seed", &ordered_json::is_number_integer, "a whole number") != c.seed) {
    members.fail("/seed is not that of config");
  }
  certificate.start_sha256 = members.hash("/start/weights_sha256");
  try {
    for (const std::string& place : members.elements("/sessions")) {
      certificate.sessions.push_back(session_from(members, place));
    }
  } catch (const UsageError& e) {
    throw damaged(e.what());
  }
  if (certificate.sessions.empty()) throw damaged("it has no session");
  for (const std::string& place : members.elements("/epochs")) {
    Epoch epoch{members.count(place + "/epoch"), members.count(place + "/step"),
                loss_from(members, place + "/loss"), members.hash(place + "/weights_sha256")};
    if (epoch.step <= (certificate.epochs.empty() ? 0 : certificate.epochs.back().step)) {
      members.fail(place + "/step: expected more than before it");
    }
    certificate.epochs.push_back(std::move(epoch));
  }
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
