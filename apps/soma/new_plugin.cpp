#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "files.hpp"
#include "scaffold.hpp"
#include "soma/backend.hpp"
#include "soma/error.hpp"
#include "soma/graph.hpp"
#include "soma/layers.hpp"
#include "soma/loss.hpp"
#include "soma/optimizer.hpp"

namespace fs = std::filesystem;

namespace {

using Words = std::map<std::string, std::string>;

const std::vector<std::string> kKinds = {"activation", "layer", "loss", "optimizer", "backend"};

/// Becomes a C++ class, a library, a field of model files: lower case, digits and '_'.
void check_name(const std::string& name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (name.empty() || name.size() > 40 || name[0] < 'a' || name[0] > 'z' || name.back() == '_' ||
      !std::ranges::all_of(name, allowed)) {
    throw UsageError(
        "new-plugin: NAME: expected up to 40 of a-z, 0-9 and '_', a letter first, got "
        "'" +
        name + "'");
  }
}

/// A library of another name would be refused when it claims this one.
void check_free(const std::string& kind, const std::string& name) {
  const auto among = [&](const auto& names) {
    return std::ranges::find(names, name) != names.end();
  };
  const bool taken =
      (kind == "activation" && soma::GraphBuilder::knows_activation(name)) ||
      (kind == "layer" && among(soma::layer_types())) ||
      (kind == "loss" && among(soma::loss_names())) ||
      (kind == "optimizer" && (name == "momentum" || among(soma::optimizer_names()))) ||
      (kind == "backend" && (name == "auto" || among(soma::backend_names())));
  if (taken) {
    throw UsageError("new-plugin: NAME: there is " +
                     std::string(kind == "activation" || kind == "optimizer" ? "an " : "a ") +
                     kind + " '" + name + "' already");
  }
}

/// "my_layer" -> "MyLayer"
std::string class_name(const std::string& name) {
  std::string text;
  bool upper = true;
  for (const char c : name) {
    if (c != '_') text += upper && c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = c == '_';
  }
  return text;
}

Words words_for(const std::string& kind, const std::string& name) {
  const bool backend = kind == "backend";
  Words w = {{"NAME", name},
             {"CLASS", class_name(name)},
             {"KIND", kind},
             {"A_KIND", (kind == "activation" || kind == "optimizer" ? "an " : "a ") + kind},
             {"LINK", backend ? "target_link_libraries(" + name + " PRIVATE soma::kernels)\n" : ""},
             {"BACKENDS", backend ? "the reference and on it" : "every backend there is"},
             {"PATTERN", backend ? "^" + name + "$" : "."},
             {"OPTIONS", kind == "optimizer" ? "--optimizer " + name : ""},
             {"LOSS", kind == "loss" ? name : "softmax_cross_entropy"},
             {"ACTIVATION", kind == "activation" ? name : "tanh"},
             {"LAYER", ""},
             {"WIDE", backend ? "" : "WIDE "},
             {"USE", "model.json --data iris"}};
  if (kind == "layer") {
    w["LAYER"] = "\n    {\"type\": \"" + name + "\", \"name\": \"" + name + "\"},";
  }
  if (kind == "optimizer") w["USE"] += " --optimizer " + name;
  if (backend) w["USE"] += " --backend " + name;
  return w;
}

/// The scaffold with its placeholders replaced.
std::string filled(std::string_view file, const Words& words) {
  std::string text(scaffold_text(file));
  for (const auto& [word, by] : words) {
    const std::string placeholder = "@" + word + "@";
    for (std::size_t at = 0; (at = text.find(placeholder, at)) != std::string::npos;) {
      text.replace(at, placeholder.size(), by);
      at += by.size();
    }
  }
  return text;
}

}  // namespace

int run_new_plugin(Arguments args) {
  std::string kind, name, folder;
  CommandLine line("new-plugin", "KIND NAME [--out FOLDER]",
                   "Writes a folder with a plugin that works: source, CMakeLists.txt, README.md "
                   "and a test.\nKIND is activation, layer, loss, optimizer or backend.");
  line.positional("KIND", &kind)
      .positional("NAME", &name)
      .option("out", &folder, "FOLDER", "where to (default: a new folder NAME here)");
  if (!line.parse(args)) return 0;
  require_one_of("KIND", kind, kKinds);
  check_name(name);
  check_free(kind, name);
  if (folder.empty()) folder = name;
  if (fs::exists(folder)) throw soma::FormatError(folder + " exists already");

  // Written beside its place and renamed, so that nothing half-written stays.
  const fs::path to(folder);
  fs::path part = to;
  part += ".part";
  fs::remove_all(part);
  const Words words = words_for(kind, name);
  try {
    make_folder(part);
    write_file(part / (name + ".cpp"), filled(kind + ".cpp", words));
    for (const char* file : {"CMakeLists.txt", "README.md", "model.json", "same_bits.cmake"}) {
      write_file(part / file, filled(file, words));
    }
    fs::rename(part, to);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(part, ignored);
    throw;
  }
  std::cout << "wrote " << folder << ": " << kind << " '" << name << "' in " << name << ".cpp\n"
            << "build and test it:\n"
            << "  cmake -S " << folder << " -B " << folder << "/build && cmake --build " << folder
            << "/build && ctest --test-dir " << folder << "/build --output-on-failure\n";
  return 0;
}
