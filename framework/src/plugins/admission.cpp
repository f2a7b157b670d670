#include "plugins/admission.hpp"

#include <boost/dll/shared_library.hpp>
#include <charconv>
#include <span>
#include <string_view>

#include "plugins/checksum.hpp"
#include "plugins/cpu_level.hpp"
#include "plugins/elf_file.hpp"
#include "plugins/entrance.hpp"
#include "plugins/probe.hpp"
#include "plugins/text.hpp"
#include "plugins/verdict_cache.hpp"

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;

/// A file on its way through admission; each step adds what it learned.
struct Candidate {
  fs::path file;
  ElfFile elf;
  boost::dll::shared_library* library = nullptr;
  Manifest manifest;
  std::string note;
};

/// The two numbers of "soma_abi_MAJOR_MINOR".
bool parse_abi_tag(std::string_view section, int* major, int* minor) {
  section.remove_prefix(std::string_view(SOMA_ABI_SECTION_PREFIX).size());
  const char* const end = section.data() + section.size();
  const auto first = std::from_chars(section.data(), end, *major);
  if (first.ec != std::errc() || first.ptr == end || *first.ptr != '_') return false;
  const auto second = std::from_chars(first.ptr + 1, end, *minor);
  return second.ec == std::errc() && second.ptr == end;
}

Rejection check_file(Candidate& candidate) { return inspect_elf(candidate.file, &candidate.elf); }

/// A newer minor version is welcome: tables only grow at the end.
Rejection check_abi_tag(Candidate& candidate) {
  std::string seen;
  for (const std::string& section : candidate.elf.sections) {
    if (!section.starts_with(SOMA_ABI_SECTION_PREFIX)) continue;
    int major = 0, minor = 0;
    if (parse_abi_tag(section, &major, &minor) && major == SOMA_ABI_MAJOR) return {};
    seen = section;
  }
  if (seen.empty()) {
    return {"no_abi_tag",
            std::string("it is a library but no Soma plugin: it has no section named ") +
                SOMA_ABI_SECTION_PREFIX + "MAJOR_MINOR"};
  }
  return {"abi_version", "it is built for " + seen + ", this host speaks " + SOMA_ABI_SECTION};
}

Rejection check_instruction_set(Candidate& candidate) {
  constexpr std::string_view kTag = SOMA_ISA_SECTION_PREFIX;
  bool tagged = false;
  for (const std::string& section : candidate.elf.sections) {
    if (!section.starts_with(kTag)) continue;
    tagged = true;
    const std::string level = section.substr(kTag.size());
    const std::string missing = missing_features(level, read_cpu());
    if (missing == "?")
      return {"instruction_set", "it needs " + level + ", an instruction set unknown to this host"};
    if (!missing.empty())
      return {"instruction_set", "it needs " + level + ", and this machine lacks " + missing};
  }
  if (tagged) return {};
  return {"instruction_set",
          "it does not say which instruction set it needs: it has no section named " +
              std::string(kTag) + "..."};
}

/// The verdict of an earlier test process if file and surroundings are the same, else of a new one.
Rejection try_in_test_process(Candidate& candidate) {
  const Probe probe = find_probe();
  if (probe.program.empty()) {
    candidate.note = "admitted without a test process: " + probe.missing;
    return {};
  }
  const VerdictCache cache(probe);
  if (const auto verdict = cache.recall(candidate.file)) return *verdict;
  if (Rejection no = check_checksum(candidate.file)) return no;
  const FileIdentity before = FileIdentity::of(candidate.file);
  const ProbeResult result = run_probe(probe, candidate.file);
  // The loader of the test process may miss what this process has loaded or exports by itself, and
  // a refusal runs no code of the file; so this process asks its own loader.
  if (result.verdict.code == "load_failed") {
    candidate.note = "admitted without a test process, where " + result.verdict.reason;
    return {};
  }
  if (!result.ran) {
    candidate.note = "admitted without a test process: " + result.verdict.reason;
    return {};
  }
  cache.remember(candidate.file, before, result.verdict);
  return result.verdict;
}

Rejection load(Candidate& candidate) { return load_library(candidate.file, &candidate.library); }

Rejection enter(Candidate& candidate) {
  return enter_library(*candidate.library, &candidate.manifest);
}

using Step = Rejection (*)(Candidate&);

/// In order; these run no code of the file, ...
constexpr Step kReadingSteps[] = {check_file, check_abi_tag, check_instruction_set};
/// ... and these do, the first in another process.
constexpr Step kRunningSteps[] = {try_in_test_process, load, enter};

Rejection take(std::span<const Step> steps, Candidate& candidate) {
  for (const Step step : steps) {
    if (const Rejection no = step(candidate)) return {no.code, printable(no.reason)};
  }
  return {};
}

}  // namespace

Rejection admit(const fs::path& file, Manifest* manifest, std::string* note) {
  Candidate candidate;
  candidate.file = file;
  if (Rejection no = take(kReadingSteps, candidate)) return no;
  if (Rejection no = take(kRunningSteps, candidate)) return no;
  *manifest = std::move(candidate.manifest);
  if (note != nullptr) *note = printable(candidate.note);
  return {};
}

Rejection inspect(const fs::path& file) {
  Candidate candidate;
  candidate.file = file;
  return take(kReadingSteps, candidate);
}

}  // namespace soma::plugins
