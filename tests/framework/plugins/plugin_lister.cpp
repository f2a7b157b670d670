// Prints what libsoma makes of the plugins it finds, as JSON: each test runs it as a process of
// its own, since a library that was loaded stays. Usage:
//   plugin_lister [--folder DIR]...
//       [list | folders | threads | busy WHAT | backend NAME | activation NAME]
#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <xmmintrin.h>

#include <atomic>
#include <cerrno>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "soma/backend.hpp"
#include "soma/plugins.hpp"

namespace {

using nlohmann::json;

json to_json(const std::vector<soma::PluginRecord>& records) {
  constexpr const char* kStatus[] = {"ready", "rejected", "shadowed"};
  json list = json::array();
  for (const auto& r : records) {
    list.push_back({{"path", r.path.string()},
                    {"name", r.name},
                    {"version", r.version},
                    {"kind", r.kind},
                    {"status", kStatus[static_cast<int>(r.status)]},
                    {"code", r.code},
                    {"reason", r.reason},
                    {"note", r.note}});
  }
  return list;
}

json list() {
  const unsigned before = _mm_getcsr();
  json plugins = to_json(soma::list_plugins());
  return {{"plugins", plugins},
          {"mxcsr_before", before & ~0x3Fu},
          {"mxcsr_after", _mm_getcsr() & ~0x3Fu}};
}

json folders() {
  json list = json::array();
  for (const auto& folder : soma::plugin_search_path()) list.push_back(folder.string());
  return list;
}

/// Eight threads that list at the same time.
json threads() {
  std::vector<json> seen(8);
  std::vector<std::thread> all;
  for (json& mine : seen) all.emplace_back([&mine] { mine = to_json(soma::list_plugins()); });
  for (std::thread& thread : all) thread.join();
  return seen;
}

std::atomic<int> alarms{0}, children_seen{0};

/// Lists while 16 threads allocate, a timer interrupts every system call, and children are treated
/// as `what` says: "ignored" (the system reaps them), "taken" (a handler reaps whatever ended), or
/// "blocked" (every signal, in the thread that lists).
json busy(const std::string& what) {
  struct sigaction tick {};
  tick.sa_handler = [](int) { ++alarms; };  // without SA_RESTART
  sigaction(SIGALRM, &tick, nullptr);
  struct sigaction child {};
  child.sa_handler = SIG_DFL;
  if (what == "ignored") child.sa_handler = SIG_IGN;
  if (what == "taken") {
    child.sa_handler = [](int) {
      while (waitpid(-1, nullptr, WNOHANG) > 0) ++children_seen;
    };
  }
  sigaction(SIGCHLD, &child, nullptr);
  constexpr itimerval kEveryMillisecond = {{0, 1000}, {0, 1000}};
  setitimer(ITIMER_REAL, &kEveryMillisecond, nullptr);
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 16; ++i) {
    others.emplace_back([&done] {
      while (!done) std::vector<std::string>(100, std::string(100, 'x'));
    });
  }
  json plugins;
  std::thread([&] {
    if (what == "blocked") {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, nullptr);
    }
    plugins = to_json(soma::list_plugins());
  }).join();
  done = true;
  for (std::thread& thread : others) thread.join();
  const bool childless = waitpid(-1, nullptr, WNOHANG) < 0 && errno == ECHILD;
  return {{"plugins", plugins},
          {"childless", childless},
          {"alarms", alarms.load()},
          {"children_seen", children_seen.load()}};
}

json backend(const std::string& name) {
  try {
    const soma::Backend found = soma::backend(name);
    return {{"name", found.name()}, {"path", found.path().string()}};
  } catch (const soma::Error& e) {
    return {{"error", e.what()}};
  }
}

json activation(const std::string& name) {
  const soma_activation* found = soma::find_activation_plugin(name);
  if (found == nullptr) return nullptr;
  const float x = 21;
  float y = 0;
  found->forward_f32(&x, &y, 1);
  return {{"name", found->name}, {"f(21)", y}, {"has_f64", found->forward_f64 != nullptr}};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> args(argv + 1, argv + argc);
  while (args.size() >= 2 && args[0] == "--folder") {
    soma::add_plugin_path(args[1]);
    args.erase(args.begin(), args.begin() + 2);
  }
  const std::string what = args.empty() ? "list" : args[0];
  const std::string name = args.size() > 1 ? args[1] : "";
  const json result = what == "folders"      ? folders()
                      : what == "threads"    ? threads()
                      : what == "busy"       ? busy(name)
                      : what == "backend"    ? backend(name)
                      : what == "activation" ? activation(name)
                                             : list();
  std::cout << result.dump() << "\n";
}
