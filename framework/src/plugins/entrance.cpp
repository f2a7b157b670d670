#include "plugins/entrance.hpp"

#include <dlfcn.h>

#include <array>
#include <atomic>
#include <boost/dll/shared_library.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "plugins/fp_environment.hpp"
#include "plugins/openmp_wait.hpp"
#include "soma/version.hpp"

namespace soma::plugins {
namespace {

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

}  // namespace

bool exiting() noexcept { return process_exits.load(std::memory_order_relaxed); }

namespace {

/// A list that is never destroyed.
template <class T>
T& append(T what) {
  static std::mutex mutex;
  static auto& kept = *new std::vector<std::unique_ptr<T>>;
  const std::lock_guard lock(mutex);
  return *kept.emplace_back(std::make_unique<T>(std::move(what)));
}

}  // namespace

void abandon(void* of_plugin) noexcept { append(of_plugin); }

Rejection load_library(const std::filesystem::path& file, boost::dll::shared_library** result) {
  const FpControl before = FpControl::read();
  auto library = std::make_unique<boost::dll::shared_library>();
  std::error_code error;
  const auto mode = boost::dll::load_mode::rtld_now | boost::dll::load_mode::rtld_local |
                    static_cast<boost::dll::load_mode::type>(RTLD_NODELETE);
  {
    const ShortOpenmpWait wait;
    library->load(file, error, mode);
  }
  const FpControl after = FpControl::read();
  if (after != before) before.restore();
  if (error) {
    const char* text = dlerror();
    const std::string why = text != nullptr ? text : error.message();
    return {"load_failed", "the dynamic loader refused it: " + why};
  }
  if (after != before) return fp_changed("loading it", before, after);
  // Handlers run in the reverse order of their registration: this one before the library's own
  // destructors.
  std::atexit([] { process_exits.store(true, std::memory_order_relaxed); });
  // Never destroyed: unloading a library whose threads still run ends the process.
  *result = append(std::move(library)).get();
  return {};
}

Rejection enter_library(const boost::dll::shared_library& library, Manifest* manifest) {
  const auto failed = [](const std::string& how) {
    return Rejection{"entry_failed", std::string("its entry point ") + SOMA_PLUGIN_ENTRY + how};
  };
  if (!library.has(SOMA_PLUGIN_ENTRY)) return failed(" is missing");
  const soma_plugin_entry_fn entry =
      &library.get<std::remove_pointer_t<soma_plugin_entry_fn>>(SOMA_PLUGIN_ENTRY);

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
  return read_manifest(*table, manifest);
}

}  // namespace soma::plugins
