#include "plugins/admission.hpp"

#include <dlfcn.h>

#include <array>
#include <atomic>
#include <boost/dll/shared_library.hpp>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <type_traits>

#include "plugins/cpu_level.hpp"
#include "plugins/elf_file.hpp"
#include "plugins/fp_environment.hpp"
#include "soma/version.hpp"

namespace soma::plugins {
namespace {

namespace fs = std::filesystem;

/// A file on its way through admission; each step adds what it learned.
struct Candidate {
  fs::path file;
  ElfFile elf;
  boost::dll::shared_library* library = nullptr;
  Manifest manifest;
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

Rejection fp_changed(const char* when, const FpControl& before, const FpControl& after) {
  char text[160];
  if (after.mxcsr != before.mxcsr) {
    std::snprintf(text, sizeof text,
                  "%s changed the floating-point environment (MXCSR from %04x to %04x)", when,
                  before.mxcsr, after.mxcsr);
  } else {
    std::snprintf(text, sizeof text,
                  "%s changed the floating-point environment (x87 control word from %04x to %04x)",
                  when, before.x87, after.x87);
  }
  constexpr std::uint32_t kFlushes = 0x8040;  // FTZ and DAZ
  const bool flushes = (after.mxcsr & ~before.mxcsr & kFlushes) != 0;
  return {"fp_environment",
          text + std::string(flushes ? ", as a library linked with -ffast-math does" : "")};
}

std::atomic<bool> process_exits{false};

Rejection load(Candidate& candidate) {
  const FpControl before = FpControl::read();
  // Never destroyed: unloading a library whose threads still run ends the process.
  auto* library = new boost::dll::shared_library;
  std::error_code error;
  const auto mode = boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local |
                    static_cast<boost::dll::load_mode::type>(RTLD_NODELETE);
  library->load(candidate.file, error, mode);
  const FpControl after = FpControl::read();
  if (after != before) before.restore();
  if (error) {
    const char* text = dlerror();
    const std::string why = text != nullptr ? text : error.message();
    delete library;  // holds nothing
    return {"load_failed", "the dynamic loader refused it: " + why};
  }
  if (after != before) return fp_changed("loading it", before, after);
  // Handlers run in the reverse order of their registration: this one before the library's own
  // destructors.
  std::atexit([] { process_exits.store(true, std::memory_order_relaxed); });
  candidate.library = library;
  return {};
}

/// Calls the entry point. An exception must not cross the line; one that does is caught here.
soma_status call_entry(soma_plugin_entry_fn entry, const soma_plugin** table, soma_text* why) {
  static const soma_host host = {sizeof(soma_host), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, version()};
  const auto tell = [why](const char* text) {
    std::snprintf(why->data, why->capacity, "it threw an exception: %s", text);
    return SOMA_FAILED;
  };
  try {
    return entry(&host, table, why);
  } catch (const std::exception& e) {
    return tell(e.what());
  } catch (...) {
    return tell("not a std::exception");
  }
}

Rejection enter(Candidate& candidate) {
  const auto failed = [](const std::string& how) {
    return Rejection{"entry_failed", std::string("its entry point ") + SOMA_PLUGIN_ENTRY + how};
  };
  if (!candidate.library->has(SOMA_PLUGIN_ENTRY)) return failed(" is missing");
  const soma_plugin_entry_fn entry =
      &candidate.library->get<std::remove_pointer_t<soma_plugin_entry_fn>>(SOMA_PLUGIN_ENTRY);

  const FpControl before = FpControl::read();
  const soma_plugin* table = nullptr;
  std::array<char, 1024> buffer{};
  soma_text why{buffer.data(), buffer.size()};
  const soma_status status = call_entry(entry, &table, &why);
  buffer.back() = '\0';
  const FpControl after = FpControl::read();
  if (after != before) {
    before.restore();
    return fp_changed("its entry point", before, after);
  }
  if (status != SOMA_OK) {
    return failed(" failed with status " + std::to_string(status) + ": " +
                  (buffer[0] != '\0' ? buffer.data() : "it gave no reason"));
  }
  if (table == nullptr) return failed(" brought nothing");
  return read_manifest(*table, &candidate.manifest);
}

/// The steps, in order. Those before `load` run no code of the file.
constexpr Rejection (*kSteps[])(Candidate&) = {check_file, check_abi_tag, check_instruction_set,
                                               load, enter};

}  // namespace

bool exiting() noexcept { return process_exits.load(std::memory_order_relaxed); }

Rejection admit(const fs::path& file, Manifest* manifest) {
  Candidate candidate;
  candidate.file = file;
  for (const auto step : kSteps) {
    if (Rejection no = step(candidate)) return no;
  }
  *manifest = std::move(candidate.manifest);
  return {};
}

}  // namespace soma::plugins
