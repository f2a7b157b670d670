#pragma once

#include <cstdlib>
#include <cstring>

#include "soma/sdk/export.hpp"

/// A plugin built with `soma_add_plugin(NAME WIDE ...)` holds its code twice; this is the entry of
/// the copy compiled for AVX-512, null without one.
extern "C" __attribute__((weak, visibility("hidden"))) soma_status soma_plugin_wide_v1(
    const soma_host* host, const soma_plugin** plugin, soma_text* why);

namespace soma::sdk {

/// True if this machine runs the AVX-512 copy; SOMA_ISA=avx2 in the environment forbids it.
inline bool takes_wide_lanes() noexcept {
  const char* cap = std::getenv("SOMA_ISA");
  return (cap == nullptr || std::strcmp(cap, "avx2") != 0) && __builtin_cpu_supports("avx512f") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace soma::sdk

/// SOMA_EXPORT for plugins that may be built WIDE: SOMA_PLUGIN_WIDE comes from soma_add_plugin, in
/// the copy of the code for AVX-512.
#ifdef SOMA_PLUGIN_WIDE
#define SOMA_EXPORT_WIDE(table)                                                      \
  extern "C" soma_status soma_plugin_wide_v1([[maybe_unused]] const soma_host* host, \
                                             const soma_plugin** plugin,             \
                                             [[maybe_unused]] soma_text* why) {      \
    return ::soma::sdk::guarded(                                                     \
        why, [&] { *plugin = ::soma::sdk::plugin_of(table, SOMA_PLUGIN_VERSION); }); \
  }
#else
#define SOMA_EXPORT_WIDE(table)                                                      \
  SOMA_PLUGIN_TAGS()                                                                 \
  SOMA_PLUGIN_ENTRY_FUNCTION(host, plugin, why) {                                    \
    if (soma_plugin_wide_v1 != nullptr && ::soma::sdk::takes_wide_lanes()) {         \
      return soma_plugin_wide_v1(host, plugin, why);                                 \
    }                                                                                \
    return ::soma::sdk::guarded(                                                     \
        why, [&] { *plugin = ::soma::sdk::plugin_of(table, SOMA_PLUGIN_VERSION); }); \
  }
#endif
