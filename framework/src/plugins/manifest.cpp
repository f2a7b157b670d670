#include "plugins/manifest.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "plugins/text.hpp"

namespace soma::plugins {
namespace {

/// End of the part of each table that the first minor version had; shorter ones are damaged.
template <class Table>
constexpr std::size_t kFirstSize = 0;
template <>
constexpr std::size_t kFirstSize<soma_plugin> = offsetof(soma_plugin, activation_count) +
                                                sizeof(std::int32_t);
template <>
constexpr std::size_t kFirstSize<soma_backend> = offsetof(soma_backend, parallel_for) +
                                                 sizeof(void*);
template <>
constexpr std::size_t kFirstSize<soma_activation> = offsetof(soma_activation, backward_f64) +
                                                    sizeof(void*);

Rejection bad_table(std::string reason) { return {"bad_table", std::move(reason)}; }

template <class Table>
Rejection copy_table(const Table* from, const std::string& what, Table* to) {
  if (from == nullptr) return bad_table(what + " is missing");
  // Until these agree, nothing else of the table may be looked at.
  if (from->major != SOMA_ABI_MAJOR) {
    return {"abi_version", what + " is of ABI version " + std::to_string(from->major) + "." +
                               std::to_string(from->minor) + ", this host speaks " +
                               std::to_string(SOMA_ABI_MAJOR) + ".x"};
  }
  if (from->struct_size < kFirstSize<Table>) {
    return bad_table(what + " says it has " + std::to_string(from->struct_size) +
                     " bytes, expected " + std::to_string(kFirstSize<Table>) + " or more");
  }
  *to = Table{};
  std::memcpy(to, from, std::min<std::size_t>(from->struct_size, sizeof(Table)));
  return {};
}

/// Names go into command lines, model files and messages.
bool usable_name(const char* name) {
  if (name == nullptr || *name == '\0') return false;
  const std::string_view text = name;
  return text.size() <= 64 && std::ranges::all_of(text, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

Rejection check_name(const char* name, const std::string& what) {
  if (usable_name(name)) return {};
  return bad_table(what + " has no name of 1 to 64 letters, digits, '_', '-' and '.'");
}

/// A text for people, which may be missing; then it becomes an empty one.
Rejection check_text(const char** text, const std::string& what) {
  if (*text == nullptr) *text = "";
  if (is_text(*text)) return {};
  return bad_table(what + " is no UTF-8 text without control characters");
}

Rejection check_backend(soma_backend* backend, const std::string& what) {
  if (Rejection no = check_name(backend->name, what)) return no;
  const std::string named = what + " '" + backend->name + "'";
  if (!backend->open || !backend->close || !backend->supports || !backend->prepare ||
      !backend->execute || !backend->release)
    return bad_table(named + " lacks open, close, supports, prepare, execute or release");
  if (backend->op_count < 0 || (backend->op_count > 0 && backend->op_ids == nullptr))
    return bad_table(named + " has no list of op ids");
  for (std::int32_t i = 0; i < backend->op_count; ++i) {
    if (backend->op_ids[i] == nullptr) return bad_table(named + " has an op id that is NULL");
  }
  if (Rejection no = check_text(&backend->summary, "the summary of " + named)) return no;
  return check_text(&backend->runtime, "the runtime of " + named);
}

Rejection check_activation(soma_activation* activation, const std::string& what) {
  if (Rejection no = check_name(activation->name, what)) return no;
  if (!activation->forward_f32)
    return bad_table(what + " '" + activation->name + "' lacks forward_f32");
  return check_text(&activation->summary, "the summary of " + what + " '" + activation->name + "'");
}

/// Copies a list of tables and checks each.
template <class Table, class Check>
Rejection copy_list(const Table* const* from, std::int32_t count, const std::string& what,
                    Check check, std::vector<Table>* to) {
  if (count < 0 || (count > 0 && from == nullptr))
    return bad_table("its list of " + what + "s is missing");
  for (std::int32_t i = 0; i < count; ++i) {
    Table table;
    if (Rejection no = copy_table(from[i], "its " + what, &table)) return no;
    if (Rejection no = check(&table, "its " + what)) return no;
    to->push_back(table);
  }
  return {};
}

}  // namespace

std::string Manifest::kind() const {
  std::string kind;
  if (!backends.empty()) kind = "backend";
  if (!activations.empty()) kind += kind.empty() ? "activation" : "+activation";
  return kind;
}

Rejection read_manifest(const soma_plugin& from, Manifest* manifest) {
  soma_plugin table;
  if (Rejection no = copy_table(&from, "its table", &table)) return no;
  if (table.name == nullptr || *table.name == '\0') return bad_table("it has no name");
  if (Rejection no = check_text(&table.name, "its name")) return no;
  if (Rejection no = check_text(&table.version, "its version")) return no;
  manifest->name = table.name;
  manifest->version = table.version;
  if (Rejection no = copy_list(table.backends, table.backend_count, "backend", check_backend,
                               &manifest->backends))
    return no;
  return copy_list(table.activations, table.activation_count, "activation", check_activation,
                   &manifest->activations);
}

}  // namespace soma::plugins
