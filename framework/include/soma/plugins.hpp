#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "soma/abi.h"
#include "soma/api.hpp"

namespace soma {

/// What became of a file libsoma_*.so that the search found.
enum class PluginStatus { ready, rejected, shadowed };

/// One of the things that a plugin brings.
struct Brought {
  std::string kind;  ///< "backend", "activation", "layer", "loss", "optimizer"
  std::string name;
};

/// What became of one file libsoma_*.so. `code` is stable, for programs; `reason` is the sentence
/// for people. The codes of rejected files, in the order in which admission asks:
///   unreadable       the file cannot be opened
///   not_a_library    not an ELF shared library
///   wrong_machine    built for another architecture
///   truncated        shorter than its own headers say
///   no_abi_tag       lacks a section named soma_abi_MAJOR_MINOR
///   abi_version      an ABI this host cannot speak
///   instruction_set  needs what this CPU lacks, or does not say what it needs
///   probe_crash      it ended the test process in which it was tried
///   probe_timeout    it did not come back within the time limit of the test process
///   self_check       a first use of what it brings went wrong in the test process
///   load_failed      the dynamic loader refused it
///   fp_environment   loading or entering it changed rounding, flush-to-zero or exception masks
///   entry_failed     its entry point is missing, failed, threw or brought nothing
///   bad_table        a table it brought is damaged or lacks a function that must be there
///   duplicate_name   brings a name that is taken
/// A file behind another of its name has the code "shadowed".
struct PluginRecord {
  std::filesystem::path path;
  std::string name;  ///< as the manifest says; from the file name when it could not be read
  std::string version;
  /// "backend", "activation", "layer", "loss", "optimizer", or several joined by '+'
  std::string kind;
  PluginStatus status = PluginStatus::rejected;
  std::string code;    ///< empty when ready
  std::string reason;  ///< empty when ready
  std::string note;    ///< of a ready one: what to know about it, e.g. why it was not tried out
  std::vector<Brought> brings = {};
};

/// Puts a folder in front of the search path (--plugin-path). Call before the first look-up.
/// Order: added folders, SOMA_PLUGIN_PATH (colon-separated), <executable>/../lib/soma, the folder
/// lib/soma beside libsoma itself, the install libdir. Never the current directory.
SOMA_API void add_plugin_path(const std::filesystem::path& folder);

/// The folders searched, in order, whether they exist or not.
SOMA_API std::vector<std::filesystem::path> plugin_search_path();

/// Admits every libsoma_*.so on the search path and tells what became of each. The first of a file
/// name wins; later ones are shadowed. Thread-safe; a file is admitted once per process. Libraries
/// are never unloaded.
SOMA_API std::vector<PluginRecord> list_plugins();

/// Admits this very file, whatever its name and folder, and puts it before all that the search
/// finds. A file of the same name on the search path is shadowed by it. Call before the first
/// look-up.
SOMA_API PluginRecord load_plugin(const std::filesystem::path& file);

/// The steps of admission that read the file and run no code of it: ready means that nothing speaks
/// against loading it. Brings nothing yet.
SOMA_API PluginRecord inspect_plugin(const std::filesystem::path& file);

/// The plugins of which a backend was opened, or an activation, layer, loss or optimizer was looked
/// up by its name, in this process so far; in the order of their first use.
SOMA_API std::vector<PluginRecord> plugins_in_use();

/// How often, in this process, a function of a plugin came back with another MXCSR (rounding,
/// flush-to-zero, exception masks) than it was called with. The host puts it back each time.
SOMA_API std::uint64_t fp_environment_faults() noexcept;

/// What plugins bring under that name, or nullptr. Lives for the life of the process.
SOMA_API const soma_activation* find_activation_plugin(std::string_view name);
SOMA_API const soma_layer* find_layer_plugin(std::string_view name);
SOMA_API const soma_loss* find_loss_plugin(std::string_view name);
SOMA_API const soma_optimizer* find_optimizer_plugin(std::string_view name);

/// Names of all that plugins bring.
SOMA_API std::vector<std::string> activation_plugins();
SOMA_API std::vector<std::string> layer_plugins();
SOMA_API std::vector<std::string> loss_plugins();
SOMA_API std::vector<std::string> optimizer_plugins();

}  // namespace soma
