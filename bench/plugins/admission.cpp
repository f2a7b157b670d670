#include <dlfcn.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>

#include "figures.hpp"
#include "soma/abi.h"
#include "soma/plugins.hpp"
#include "soma/version.hpp"

namespace fs = std::filesystem;

namespace {

constexpr int kRounds = 15;

double cpu_ms() {
  timespec t;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_nsec);
}

double now_ms() {
  const auto t = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double, std::milli>(t).count();
}

fs::path folder_of_this() { return fs::read_symlink("/proc/self/exe").parent_path(); }

/// The plugins beside this program, as list_plugins() finds them.
std::vector<fs::path> plugin_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_of_this() / ".." / "lib" / "soma")) {
    const std::string name = entry.path().filename();
    if (name.starts_with("libsoma_") && name.ends_with(".so")) files.push_back(entry.path());
  }
  std::ranges::sort(files);
  return files;
}

void load(const fs::path& file) {
  void* library = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  const auto entry = reinterpret_cast<soma_plugin_entry_fn>(
      library == nullptr ? nullptr : dlsym(library, SOMA_PLUGIN_ENTRY));
  const soma_host host{sizeof host, SOMA_ABI_MAJOR, SOMA_ABI_MINOR, soma::version()};
  const soma_plugin* plugin = nullptr;
  if (entry == nullptr || entry(&host, &plugin, nullptr) != SOMA_OK) {
    std::fprintf(stderr, "%s does not load\n", file.c_str());
    std::exit(1);
  }
}

/// Runs a program to its end; its stdout, how long it took, and how long it computed.
struct Ran {
  std::string out;
  double ms = 0, cpu_ms = 0;
};

double ms(const timeval& t) {
  return 1e3 * static_cast<double>(t.tv_sec) + 1e-3 * static_cast<double>(t.tv_usec);
}

Ran run(std::vector<std::string> words) {
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) std::exit(1);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  Ran ran;
  const double start = now_ms();
  pid_t child = 0;
  const int error = posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ);
  close(ends[1]);
  std::array<char, 4096> piece;
  for (ssize_t n; (n = read(ends[0], piece.data(), piece.size())) > 0;) {
    ran.out.append(piece.data(), static_cast<std::size_t>(n));
  }
  int status = 0;
  rusage used{};
  if (error == 0) wait4(child, &status, 0, &used);
  ran.ms = now_ms() - start;
  ran.cpu_ms = ms(used.ru_utime) + ms(used.ru_stime);
  close(ends[0]);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0 || status != 0) {
    std::fprintf(stderr, "%s failed\n", argv[0]);
    std::exit(1);
  }
  return ran;
}

}  // namespace

int run_admission_child(const std::string& what) {
  const std::vector<fs::path> files = plugin_files();
  const double start = now_ms(), cpu_start = cpu_ms();
  if (what == "list") {
    for (const soma::PluginRecord& record : soma::list_plugins()) {
      if (record.status == soma::PluginStatus::ready) continue;
      std::fprintf(stderr, "%s: %s\n", record.path.c_str(), record.reason.c_str());
      return 1;
    }
  } else {
    for (const fs::path& file : files) load(file);
  }
  std::printf("%.6f %.6f\n", now_ms() - start, cpu_ms() - cpu_start);
  return 0;
}

std::vector<Figure> admission_figures() {
  const std::string self = fs::read_symlink("/proc/self/exe"), soma = folder_of_this() / "soma";
  const auto count = static_cast<double>(plugin_files().size());
  run({self, "--child", "list"});  // now every verdict is kept and every file warm
  std::vector<double> loads, lists, commands, load_cpu, list_cpu, command_cpu;
  const auto child = [&](const char* what, std::vector<double>& wall, std::vector<double>& cpu) {
    char* rest = nullptr;
    const std::string out = run({self, "--child", what}).out;
    wall.push_back(std::strtod(out.c_str(), &rest));
    cpu.push_back(std::strtod(rest, nullptr));
  };
  for (int round = 0; round < kRounds; ++round) {
    child("load", loads, load_cpu);
    child("list", lists, list_cpu);
    const Ran command = run({soma, "backends"});
    commands.push_back(command.ms);
    command_cpu.push_back(command.cpu_ms);
  }
  // Other work on the machine only ever adds: the least is nearest to what it costs.
  const auto least = [](const std::vector<double>& list) {
    return *std::ranges::min_element(list);
  };
  const char* each = "admission of a plugin already seen, beside its load";
  return {{each, (least(lists) - least(loads)) / count, 1, "ms"},
          {std::string(each) + ", CPU", (median(list_cpu) - median(load_cpu)) / count, 1, "ms"},
          {"soma backends, warm", least(commands), 100, "ms"},
          {"soma backends, warm, CPU", median(command_cpu), 100, "ms"}};
}
