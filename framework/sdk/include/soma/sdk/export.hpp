#pragma once

#include <cstdio>
#include <exception>
#include <new>
#include <type_traits>

#include "soma/abi.h"
#include "soma/sdk/error.hpp"

/// Instruction set that the compiler was allowed to use for this plugin; becomes a section name.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#define SOMA_ISA_SECTION SOMA_ISA_SECTION_X86_64_V4
#elif defined(__AVX2__) && defined(__FMA__)
#define SOMA_ISA_SECTION SOMA_ISA_SECTION_X86_64_V3
#else
#define SOMA_ISA_SECTION SOMA_ISA_SECTION_X86_64
#endif

/// Puts the ABI tag and the instruction-set tag into the library, as names of sections.
/// Each plugin has it exactly once; the SOMA_EXPORT_... macros include it.
#define SOMA_PLUGIN_TAGS()                                                            \
  __attribute__((section(SOMA_ABI_SECTION), used)) static const char soma_abi_tag[] = \
      SOMA_ABI_SECTION;                                                               \
  __attribute__((section(SOMA_ISA_SECTION), used)) static const char soma_isa_tag[] = \
      SOMA_ISA_SECTION;

/// Declares the entry point that the host calls; a body follows that fills *plugin.
#define SOMA_PLUGIN_ENTRY_FUNCTION(host, plugin, why)                                 \
  extern "C" __attribute__((visibility("default"))) soma_status soma_plugin_entry_v1( \
      [[maybe_unused]] const soma_host* host, const soma_plugin** plugin,             \
      [[maybe_unused]] soma_text* why)

namespace soma::sdk {

/// Writes a sentence into the caller's buffer, cut to its capacity.
inline void write_text(soma_text* to, const char* sentence) noexcept {
  if (to != nullptr && to->data != nullptr && to->capacity > 0) {
    std::snprintf(to->data, to->capacity, "%s", sentence);
  }
}

/// Runs `body` and turns what it throws into a status and a sentence: the only place where C++
/// errors end.
template <class Body>
soma_status guarded(soma_text* why, Body&& body) noexcept {
  try {
    body();
    return SOMA_OK;
  } catch (const UnsupportedError& e) {
    write_text(why, e.what());
    return SOMA_UNSUPPORTED;
  } catch (const ShapeError& e) {
    write_text(why, e.what());
    return SOMA_INVALID;
  } catch (const std::bad_alloc&) {
    write_text(why, "out of memory");
    return SOMA_NO_MEMORY;
  } catch (const std::exception& e) {
    write_text(why, e.what());
    return SOMA_FAILED;
  } catch (...) {
    write_text(why, "an exception that is not a std::exception");
    return SOMA_FAILED;
  }
}

/// The table of a plugin that brings one thing and bears its name. `table` lives as long as the
/// library.
template <class Table>
const soma_plugin* plugin_of(const Table& table, const char* version) {
  static const Table* const list[] = {&table};
  static const soma_plugin plugin = [&] {
    soma_plugin made{sizeof(soma_plugin), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, table.name, version};
    if constexpr (std::is_same_v<Table, soma_backend>) made.backends = list, made.backend_count = 1;
    if constexpr (std::is_same_v<Table, soma_activation>)
      made.activations = list, made.activation_count = 1;
    if constexpr (std::is_same_v<Table, soma_layer>) made.layers = list, made.layer_count = 1;
    if constexpr (std::is_same_v<Table, soma_loss>) made.losses = list, made.loss_count = 1;
    if constexpr (std::is_same_v<Table, soma_optimizer>)
      made.optimizers = list, made.optimizer_count = 1;
    return made;
  }();
  return &plugin;
}

}  // namespace soma::sdk

/// Makes this library a plugin that brings `table`, a static object. SOMA_PLUGIN_VERSION, a string,
/// comes from soma_add_plugin.
#define SOMA_EXPORT(table)                                                           \
  SOMA_PLUGIN_TAGS()                                                                 \
  SOMA_PLUGIN_ENTRY_FUNCTION(host, plugin, why) {                                    \
    return ::soma::sdk::guarded(                                                     \
        why, [&] { *plugin = ::soma::sdk::plugin_of(table, SOMA_PLUGIN_VERSION); }); \
  }
