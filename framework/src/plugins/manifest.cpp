#include "plugins/manifest.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

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
template <>
constexpr std::size_t kFirstSize<soma_layer> = offsetof(soma_layer, compose) + sizeof(void*);
template <>
constexpr std::size_t kFirstSize<soma_loss> = offsetof(soma_loss, gradient_f64) + sizeof(void*);
template <>
constexpr std::size_t kFirstSize<soma_optimizer> = offsetof(soma_optimizer, step_f64) +
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

/// Field names become members of JSON objects and parts of parameter names.
Rejection check_options(const soma_option* options, std::int32_t count, const std::string& what) {
  if (count < 0 || count > 64 || (count > 0 && options == nullptr))
    return bad_table(what + " has no list of options");
  for (std::int32_t i = 0; i < count; ++i) {
    const soma_option& o = options[i];
    if (Rejection no = check_name(o.name, what + ": an option")) return no;
    const std::string named = what + ": option '" + o.name + "'";
    if (o.kind != SOMA_INTEGER && o.kind != SOMA_REAL && o.kind != SOMA_STRING)
      return bad_table(named + " is neither a whole number nor a number nor a text");
    if (o.kind == SOMA_STRING && o.text == nullptr && o.required == 0)
      return bad_table(named + " has no default");
    for (std::int32_t k = 0; k < i; ++k) {
      if (std::strcmp(options[k].name, o.name) == 0) return bad_table(named + " is there twice");
    }
  }
  return {};
}

Rejection check_activation(soma_activation* activation, const std::string& what) {
  if (Rejection no = check_name(activation->name, what)) return no;
  const std::string named = what + " '" + activation->name + "'";
  const std::int32_t count = activation->parameter_count;
  if (count > 16) return bad_table(named + " has more than 16 parameters");
  if (Rejection no = check_options(activation->parameters, count, named)) return no;
  for (std::int32_t i = 0; i < count; ++i) {
    if (activation->parameters[i].kind != SOMA_REAL)
      return bad_table(named + ": parameter '" + activation->parameters[i].name +
                       "' is not a number");
  }
  if (count == 0 && !activation->forward_f32) return bad_table(named + " lacks forward_f32");
  if (count > 0 &&
      (!activation->forward_with_f32 || !activation->backward_with_f32 || !activation->terms_f32))
    return bad_table(named +
                     " has parameters, but lacks forward_with_f32, backward_with_f32 or "
                     "terms_f32");
  return check_text(&activation->summary, "the summary of " + named);
}

Rejection check_layer(soma_layer* layer, const std::string& what) {
  if (Rejection no = check_name(layer->name, what)) return no;
  const std::string named = what + " '" + layer->name + "'";
  if (Rejection no = check_options(layer->options, layer->option_count, named)) return no;
  if (!layer->compose && (!layer->open || !layer->close || !layer->forward || !layer->backward))
    return bad_table(named + " lacks compose, or open, close, forward and backward");
  return check_text(&layer->summary, "the summary of " + named);
}

Rejection check_loss(soma_loss* loss, const std::string& what) {
  if (Rejection no = check_name(loss->name, what)) return no;
  const std::string named = what + " '" + loss->name + "'";
  if (Rejection no = check_options(loss->options, loss->option_count, named)) return no;
  if (loss->target != SOMA_CLASSES && loss->target != SOMA_ELEMENTS && loss->target != SOMA_ROWS)
    return bad_table(named + " does not say what its targets are");
  if (!loss->value_f32 || !loss->gradient_f32)
    return bad_table(named + " lacks value_f32 or gradient_f32");
  return check_text(&loss->summary, "the summary of " + named);
}

Rejection check_optimizer(soma_optimizer* optimizer, const std::string& what) {
  if (Rejection no = check_name(optimizer->name, what)) return no;
  const std::string named = what + " '" + optimizer->name + "'";
  if (Rejection no = check_options(optimizer->options, optimizer->option_count, named)) return no;
  if (optimizer->slot_count < 0 || optimizer->slot_count > 16 ||
      (optimizer->slot_count > 0 && optimizer->slots == nullptr))
    return bad_table(named + " has no list of slots");
  for (std::int32_t i = 0; i < optimizer->slot_count; ++i) {
    if (Rejection no = check_name(optimizer->slots[i], named + ": a slot")) return no;
  }
  if (optimizer->scalar_count < 1 || optimizer->scalar_count > 16)
    return bad_table(named + " says it has " + std::to_string(optimizer->scalar_count) +
                     " scalars, expected 1 to 16");
  if (!optimizer->scalars || !optimizer->step_f32)
    return bad_table(named + " lacks scalars or step_f32");
  return check_text(&optimizer->summary, "the summary of " + named);
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
  const std::pair<const char*, bool> kinds[] = {{"backend", !backends.empty()},
                                                {"activation", !activations.empty()},
                                                {"layer", !layers.empty()},
                                                {"loss", !losses.empty()},
                                                {"optimizer", !optimizers.empty()}};
  std::string text;
  for (const auto& [kind, brought] : kinds) {
    if (brought) text += (text.empty() ? "" : "+") + std::string(kind);
  }
  return text;
}

std::vector<Brought> Manifest::brings() const {
  std::vector<Brought> list;
  const auto add = [&](const char* kind, const auto& tables) {
    for (const auto& table : tables) list.push_back({kind, table.name});
  };
  add("backend", backends);
  add("activation", activations);
  add("layer", layers);
  add("loss", losses);
  add("optimizer", optimizers);
  return list;
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
  if (Rejection no = copy_list(table.activations, table.activation_count, "activation",
                               check_activation, &manifest->activations))
    return no;
  if (Rejection no =
          copy_list(table.layers, table.layer_count, "layer", check_layer, &manifest->layers))
    return no;
  if (Rejection no =
          copy_list(table.losses, table.loss_count, "loss", check_loss, &manifest->losses))
    return no;
  return copy_list(table.optimizers, table.optimizer_count, "optimizer", check_optimizer,
                   &manifest->optimizers);
}

}  // namespace soma::plugins
