#include "certify/kinds.hpp"

namespace soma::conformance {
namespace {

struct Kind {
  std::string_view name;
  std::unique_ptr<Examination> (*examine)(const Subject&, const CertifyOptions&);
};

constexpr Kind kKinds[] = {
    {"backend", examine_backend}, {"activation", examine_activation}, {"layer", examine_layer},
    {"loss", examine_loss},       {"optimizer", examine_optimizer},
};

struct LevelName {
  const char *code, *title;
};
constexpr LevelName kLevelNames[] = {{"C0", "file"},     {"C1", "lifecycle"}, {"C2", "contract"},
                                     {"C3", "forward"},  {"C4", "backward"},  {"C5", "determinism"},
                                     {"C6", "training"}, {"C7", "speed"}};

}  // namespace

const char* code_of(Level level) noexcept { return kLevelNames[static_cast<int>(level)].code; }
const char* title_of(Level level) noexcept { return kLevelNames[static_cast<int>(level)].title; }

std::optional<Level> level_of(std::string_view code) noexcept {
  for (const Level level : kLevels) {
    if (code == code_of(level)) return level;
  }
  return std::nullopt;
}

std::unique_ptr<Examination> examination_of(const Subject& subject, const CertifyOptions& options) {
  for (const Kind& kind : kKinds) {
    if (kind.name == subject.kind) return kind.examine(subject, options);
  }
  return nullptr;
}

}  // namespace soma::conformance
