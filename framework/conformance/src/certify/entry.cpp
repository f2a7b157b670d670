// C1: the entry point itself, called as hosts of other versions would call it. Below the framework,
// which enters a plugin once and with its own table.
#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <thread>

#include "guarded_pages.hpp"
#include "process_state.hpp"
#include "soma/abi.h"
#include "soma/conformance/certify.hpp"
#include "soma/version.hpp"

namespace soma::conformance {
namespace {

/// What one call of the entry point came to.
struct Entered {
  soma_status status = SOMA_FAILED;
  const soma_plugin* plugin = nullptr;
  std::string why;

  bool ok() const { return status == SOMA_OK && plugin != nullptr; }
  std::string text() const {
    if (status != SOMA_OK) return "status " + std::to_string(status) + " (" + why + ")";
    return plugin == nullptr ? "no table" : "a table";
  }
};

Entered enter(soma_plugin_entry_fn entry, const soma_host* host) {
  Entered result;
  std::array<char, 1024> buffer{};
  soma_text why{buffer.data(), buffer.size()};
  try {
    result.status = entry(host, &result.plugin, &why);
  } catch (...) {
    result.why = "an exception left it";
    return result;
  }
  buffer.back() = '\0';
  result.why = buffer.data();
  return result;
}

soma_host this_host() { return {sizeof(soma_host), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, version()}; }

/// A host of a minor version to come: its table grew, and plugins do not look at what they do not
/// know.
struct NewerHost {
  soma_host known;
  void (*unknown[8])();
};

/// True if two tables are one: name, version, and which tables they point to.
bool same(const soma_plugin& a, const soma_plugin& b) {
  const bool head = std::strcmp(a.name, b.name) == 0 && std::strcmp(a.version, b.version) == 0 &&
                    a.struct_size == b.struct_size && a.major == b.major && a.minor == b.minor;
  const auto begins_alike = [](const auto* x, const auto* y, std::int32_t n, std::int32_t m) {
    return n == m && (n <= 0 || std::equal(x, x + n, y));
  };
  if (!head || !begins_alike(a.backends, b.backends, a.backend_count, b.backend_count) ||
      !begins_alike(a.activations, b.activations, a.activation_count, b.activation_count)) {
    return false;
  }
  // What came with later kinds is there as far as the plugin's own table goes.
  if (a.struct_size < offsetof(soma_plugin, reserved)) return true;
  return begins_alike(a.layers, b.layers, a.layer_count, b.layer_count) &&
         begins_alike(a.losses, b.losses, a.loss_count, b.loss_count) &&
         begins_alike(a.optimizers, b.optimizers, a.optimizer_count, b.optimizer_count);
}

using Ask = void (*)(soma_plugin_entry_fn, Verdict&);

void expect_same(const Entered& a, const Entered& b, const std::string& where, Verdict& verdict) {
  ++verdict.checks;
  if (!a.ok() || !b.ok()) {
    verdict.fail("entry", where + ": expected a table, found " + (a.ok() ? b : a).text());
  } else if (!same(*a.plugin, *b.plugin)) {
    verdict.fail("entry", where + ": expected the same table, found another one");
  }
}

void ask_first(soma_plugin_entry_fn entry, Verdict& verdict) {
  const soma_host host = this_host();
  const ProcessState before = ProcessState::read();
  const Entered entered = enter(entry, &host);
  verdict.checks += 2;
  if (!entered.ok()) verdict.fail("entry", "expected a table, found " + entered.text());
  const std::string changed = before.changed_in(ProcessState::read());
  if (!changed.empty()) verdict.fail("settings", "its entry point " + changed);
}

void ask_twice(soma_plugin_entry_fn entry, Verdict& verdict) {
  const soma_host host = this_host();
  const Entered first = enter(entry, &host), second = enter(entry, &host);
  expect_same(first, second, "entered twice", verdict);
}

void ask_older(soma_plugin_entry_fn entry, Verdict& verdict) {
  // As the first host of this major version had it, flush against the end of the memory it owns.
  constexpr std::size_t kFirst = offsetof(soma_host, version) + sizeof(const char*);
  soma_host host = this_host();
  host.struct_size = kFirst;
  host.minor = 0;
  host.version = "0.1.0";
  const GuardedPages pages(kFirst);
  std::byte* const at = pages.end() - kFirst;
  std::memcpy(at, &host, kFirst);
  const Entered older = enter(entry, reinterpret_cast<const soma_host*>(at));
  const soma_host now = this_host();
  expect_same(enter(entry, &now), older, "entered by a host of ABI 1.0", verdict);
}

void ask_newer(soma_plugin_entry_fn entry, Verdict& verdict) {
  NewerHost host{this_host(), {}};
  host.known.struct_size = sizeof host;
  host.known.minor = SOMA_ABI_MINOR + 7;
  host.known.version = "9.0.0";
  const Entered newer = enter(entry, &host.known);
  const soma_host now = this_host();
  expect_same(enter(entry, &now), newer, "entered by a host of a later minor version", verdict);
}

void ask_silent(soma_plugin_entry_fn entry, Verdict& verdict) {
  // `why` may be NULL: soma/abi.h.
  const soma_host host = this_host();
  const soma_plugin* plugin = nullptr;
  ++verdict.checks;
  if (entry(&host, &plugin, nullptr) != SOMA_OK || plugin == nullptr) {
    verdict.fail("entry", "entered without a place for a text: expected a table, found none");
  }
}

void ask_two_threads(soma_plugin_entry_fn entry, Verdict& verdict) {
  const soma_host host = this_host();
  for (int round = 0; round < 8; ++round) {
    Entered there;
    std::thread other([&] { there = enter(entry, &host); });
    const Entered here = enter(entry, &host);
    other.join();
    expect_same(here, there, "entered from two threads at once", verdict);
    if (!verdict.failures.empty()) return;
  }
}

struct Question {
  const char* name;
  Ask ask;
};
constexpr Question kQuestions[] = {
    {"enter", ask_first},           {"enter_twice", ask_twice},
    {"older_host", ask_older},      {"newer_host", ask_newer},
    {"without_a_text", ask_silent}, {"two_threads_enter", ask_two_threads}};

class EntryExamination final : public Examination {
 public:
  explicit EntryExamination(std::filesystem::path file) : file_(std::move(file)) {}

  std::vector<Item> items() const override {
    std::vector<Item> list;
    for (const Question& question : kQuestions) {
      list.push_back({Level::lifecycle, "plugin", question.name});
    }
    return list;
  }

  Verdict examine(const Item& item, const Notice& notice) override {
    Verdict verdict;
    notice("load");
    // Never unloaded: a library whose runtime has threads must stay.
    void* library = dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
      verdict.checks = 1;
      const char* why = dlerror();
      verdict.fail("load", why != nullptr ? why : "the dynamic loader refused it");
      return verdict;
    }
    const auto entry = reinterpret_cast<soma_plugin_entry_fn>(dlsym(library, SOMA_PLUGIN_ENTRY));
    if (entry == nullptr) {
      verdict.checks = 1;
      verdict.fail("entry", std::string("it does not export ") + SOMA_PLUGIN_ENTRY);
      return verdict;
    }
    for (const Question& question : kQuestions) {
      if (item.name != question.name) continue;
      notice("entry");
      question.ask(entry, verdict);
    }
    return verdict;
  }

 private:
  std::filesystem::path file_;
};

}  // namespace

std::unique_ptr<Examination> examination_of_entry(const std::filesystem::path& file) {
  return std::make_unique<EntryExamination>(file);
}

}  // namespace soma::conformance
