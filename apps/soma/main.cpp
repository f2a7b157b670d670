#include <array>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "command_line.hpp"
#include "commands.hpp"
#include "globals.hpp"
#include "soma/plugins.hpp"
#include "soma/version.hpp"

namespace {

struct Command {
  const char* name;
  int (*run)(Arguments);
  const char* summary;
};

constexpr std::array kCommands = {
    Command{"train", run_train, "train a model and leave a run folder"},
    Command{"eval", run_eval, "loss and accuracy of a trained model on test data"},
    Command{"predict", run_predict, "what a trained model says about single samples"},
    Command{"sample", run_sample, "text or images drawn from a trained model"},
    Command{"models", run_models, "list the built-in models and their figures"},
    Command{"summary", run_summary, "the layers of a model: shapes, parameters, memory"},
    Command{"lint", run_lint, "say before training what will go wrong"},
    Command{"data", run_data, "list the data sets, or describe one"},
    Command{"backends", run_backends, "the compute backends and what they can do"},
    Command{"plugins", run_plugins, "the plugin files found, and why some were rejected"},
    Command{"new-plugin", run_new_plugin, "write a folder with a plugin of your own to start from"},
    Command{"bench", run_bench, "time ops and models on the backends and against their peers"},
    Command{"profile", run_profile, "where the time of a step goes, kernel by kernel"},
    Command{"certify", run_certify, "examine a backend or a plugin file, level by level"},
    Command{"inspect", run_inspect, "examine a trained model, neuron by neuron"},
    Command{"lab", run_lab, "what textbooks say of neurons, measured"},
    Command{"verify", run_verify, "train a certified run again and compare the weights"},
    Command{"compare", run_compare, "where two backends, or two runs, first differ"},
    Command{"quickstart", run_quickstart,
            "train one network on every backend and compare the bits"},
};

void print_help() {
  std::cout << "soma COMMAND [ARGUMENTS]\n\nTrains and runs neural networks on CPUs, to the same "
               "bits on every backend.\n\nCommands\n";
  for (const Command& command : kCommands) {
    const std::string name = command.name;
    std::cout << "  " << name << std::string(12 - name.size(), ' ') << command.summary << "\n";
  }
  std::cout << "\nOptions of every command\n"
               "  --plugin-path DIR   look for plugins in DIR first (may be repeated)\n"
               "  --help              print the help of the command and exit\n\n"
               "  --version           print the version and exit\n\n"
               "Exit code: 0 done, 1 failed, 2 wrong usage, 130 stopped by a signal.\n";
}

/// Takes --plugin-path out of the arguments, wherever it stands.
std::vector<std::string> take_plugin_paths(int argc, char** argv) {
  constexpr std::string_view kOption = "--plugin-path";
  std::vector<std::string> rest, folders;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == kOption) {
      if (++i == argc) throw UsageError("--plugin-path: expected a folder after it");
      folders.emplace_back(argv[i]);
    } else if (argument.starts_with(kOption) && argument.substr(kOption.size()).starts_with('=')) {
      folders.emplace_back(argument.substr(kOption.size() + 1));
    } else {
      rest.emplace_back(argument);
    }
  }
  // Each added folder goes in front, and the first one named should win.
  for (auto folder = folders.rbegin(); folder != folders.rend(); ++folder) {
    soma::add_plugin_path(*folder);
  }
  plugin_folders() = folders;
  return rest;
}

int dispatch(const std::vector<std::string>& args) {
  if (args.empty()) throw UsageError("missing a command (see 'soma --help')");
  if (args[0] == "--help" || args[0] == "help") {
    print_help();
    return 0;
  }
  if (args[0] == "--version") {
    std::cout << "soma " << soma::version() << "\n";
    return 0;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (args[0] == command.name) return command.run(Arguments(args).subspan(1));
    names.emplace_back(command.name);
  }
  const bool is_option = args[0].starts_with('-');
  if (is_option) names = {"--help", "--version", "--plugin-path"};
  throw UsageError((is_option ? "unknown option '" : "unknown command '") + args[0] +
                   "'; did you mean '" + nearest_word(args[0], names) + "'? (see 'soma --help')");
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const int code = dispatch(take_plugin_paths(argc, argv));
    std::cout.flush();
    if (!std::cout) throw std::runtime_error("cannot write to standard output");
    return code;
  } catch (const UsageError& e) {
    std::cerr << "soma: " << e.what() << "\n";
    return 2;
  } catch (const std::bad_alloc&) {
    std::cerr << "soma: out of memory\n";
    return 1;
  } catch (const std::exception& e) {
    std::cerr << "soma: " << e.what() << "\n";
    return 1;
  }
}
