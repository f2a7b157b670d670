#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/builtin.hpp"
#include "data/idx.hpp"
#include "data/text.hpp"
#include "soma/dataset.hpp"
#include "soma/error.hpp"

namespace soma::data {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kIdxForm = "idx:";
constexpr std::string_view kTextForm = "text:";

fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? fs::path() : fs::path(value);
}

/// Where real sets are kept: SOMA_DATA, or the user's folder for data (XDG Base Directory
/// Specification 0.8: an unset, empty or relative XDG_DATA_HOME means ~/.local/share).
fs::path data_folder() {
  if (const fs::path set = from_environment("SOMA_DATA"); !set.empty()) return set;
  fs::path shared = from_environment("XDG_DATA_HOME");
  if (!shared.is_absolute()) shared = from_environment("HOME") / ".local/share";
  return shared / "soma";
}

struct NamedSet {
  const char* name;
  const char* summary;
  DataSplit (*load)(std::uint64_t seed);
  fs::path (*place)();            // file or folder; nullptr if built in
  bool (*here)(const fs::path&);  // whether it is in its place
};

fs::path mnist_folder() { return data_folder() / "mnist"; }

DataSplit load_mnist(std::uint64_t /*seed*/) {
  const bool set = !from_environment("SOMA_DATA").empty();
  return load_idx("mnist", mnist_folder(), 10,
                  set ? "" : "; SOMA_DATA, the folder that has a folder mnist, is not set");
}

constexpr std::string_view kShakespeare = "tinyshakespeare";

fs::path shakespeare_file() { return data_folder() / kShakespeare / "input.txt"; }

DataSplit load_shakespeare(std::string_view options) {
  if (!fs::exists(shakespeare_file()) && from_environment("SOMA_DATA").empty()) {
    throw FormatError("data 'tinyshakespeare': expected " + shakespeare_file().string() +
                      ", found none; SOMA_DATA, the folder that has a folder tinyshakespeare, is "
                      "not set");
  }
  return load_text(std::string(kShakespeare), shakespeare_file(), options);
}

bool file_exists(const fs::path& file) { return fs::exists(file); }

constexpr NamedSet kSets[] = {
    {"mnist", "handwritten digits, 28x28 grey, 10 classes; 60,000 train, 10,000 test", load_mnist,
     mnist_folder, has_idx},
    {"glyphs", "drawn digits, 28x28 grey, 10 classes; 10,000 train, 2,000 test", make_glyphs,
     nullptr, nullptr},
    {"iris", "Fisher's flowers, 4 lengths, 3 species; 99 train, 51 test", make_iris, nullptr,
     nullptr},
    {"xor", "exclusive or of 2 bits, 2 classes; 4 train, the same 4 test",
     [](std::uint64_t) { return make_xor(); }, nullptr, nullptr},
    {"tinyshakespeare",
     "plays by Shakespeare, 65 characters; windows of 64, 15,685 train, 1,742 test",
     [](std::uint64_t) { return load_shakespeare(""); }, shakespeare_file, file_exists},
};

}  // namespace

DataSplit load(const std::string& spec, std::uint64_t seed) {
  std::string known;
  for (const NamedSet& set : kSets) {
    if (spec == set.name) return set.load(seed);
    known += std::string(set.name) + ", ";
  }
  if (spec.starts_with(kIdxForm) && spec.size() > kIdxForm.size()) {
    return load_idx(spec, spec.substr(kIdxForm.size()));
  }
  const auto question = std::min(spec.find('?'), spec.size());
  const std::string_view options =
      std::string_view(spec).substr(std::min(question + 1, spec.size()));
  if (std::string_view(spec).substr(0, question) == kShakespeare) return load_shakespeare(options);
  if (spec.starts_with(kTextForm) && question > kTextForm.size()) {
    return load_text(spec, spec.substr(kTextForm.size(), question - kTextForm.size()), options);
  }
  throw FormatError("data '" + spec + "': expected " + known +
                    "text:FILE or idx:DIR (a folder with MNIST's "
                    "four files), found an unknown name");
}

std::vector<Info> list() {
  std::vector<Info> infos;
  for (const NamedSet& set : kSets) {
    Info info{set.name, set.summary, "built in", true};
    if (set.place != nullptr) {
      info.source = set.place().string();
      info.available = set.here(set.place());
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace soma::data
