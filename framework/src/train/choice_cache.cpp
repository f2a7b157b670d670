#include "train/choice_cache.hpp"

#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/sha256.hpp"
#include "plugins/cache_file.hpp"
#include "plugins/cpu_level.hpp"
#include "plugins/registry.hpp"
#include "soma/version.hpp"
#include "train/threads.hpp"

namespace soma {
namespace {

using nlohmann::json;
using plugins::FileIdentity;

constexpr int kFormat = 1;
constexpr std::int64_t kKeep = std::int64_t{30} * 24 * 3600 * 1'000'000'000;

json identity_json(const FileIdentity& identity) {
  return {identity.device, identity.inode, identity.size, identity.modified_ns,
          identity.changed_ns};
}

/// [{"path", "identity", "sha256"}] of the plugins found now. Hashes that `before` knows are taken
/// from there.
json plugins_now(const json& before) {
  json list = json::array();
  for (const auto& file : plugins::Registry::instance().files()) {
    json entry = {{"path", file.string()}, {"identity", identity_json(FileIdentity::of(file))}};
    for (const json& old : before) {
      if (old.at("path") == entry["path"] && old.at("identity") == entry["identity"]) {
        entry["sha256"] = old.at("sha256");
      }
    }
    if (!entry.contains("sha256")) entry["sha256"] = plugins::sha256_of(file);
    list.push_back(std::move(entry));
  }
  return list;
}

bool same_content(const json& a, const json& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].at("path") != b[i].at("path") || a[i].at("sha256") != b[i].at("sha256")) return false;
  }
  return true;
}

}  // namespace

ChoiceCache::ChoiceCache(const Model& model, const StepKind& kind) {
  const bool training = kind.purpose == Purpose::train;
  const plugins::CpuWords cpu = plugins::read_cpu();
  io::Sha256 hash;
  hash.update(json{version(), plugins::cpu_brand(), cpu.leaf1_ecx, cpu.leaf7_ebx, cpu.xcr0,
                   model.to_json(), training, kind.batch, usable_threads(kind.threads),
                   static_cast<int>(kind.numerics), training ? kind.optimizer.type : "",
                   kind.fallback}
                  .dump());
  question_ = hash.hex();
  const auto folder = plugins::cache_folder("fastest");
  if (!folder.empty()) place_ = folder / plugins::cache_file_name(question_);
}

std::optional<BackendChoice> ChoiceCache::recall() const {
  if (place_.empty()) return {};
  try {
    std::ifstream in(place_);
    if (!in) return {};
    const json text = json::parse(in);
    if (text.at("format") != kFormat || text.at("question") != question_) return {};
    const std::int64_t age = plugins::now_ns() - text.at("at").get<std::int64_t>();
    if (age < 0 || age > kKeep) return {};
    if (!same_content(text.at("plugins"), plugins_now(text.at("plugins")))) return {};
    return BackendChoice{text.at("backend"), text.at("step_ms"), text.at("runner_up"),
                         text.at("margin"), false};
  } catch (const std::exception&) {
    return {};  // a damaged record is none
  }
}

void ChoiceCache::remember(const BackendChoice& choice) const {
  if (place_.empty()) return;
  const auto files = plugins::Registry::instance().files();
  for (const auto& file : files) {
    if (FileIdentity::of(file).is_fresh()) return;
  }
  const json text = {{"format", kFormat},
                     {"question", question_},
                     {"backend", choice.backend},
                     {"step_ms", choice.step_ms},
                     {"runner_up", choice.runner_up},
                     {"margin", choice.margin},
                     {"at", plugins::now_ns()},
                     {"plugins", plugins_now(json::array())}};
  plugins::write_cache_file(place_, text.dump(1) + "\n", kKeep);
}

}  // namespace soma
