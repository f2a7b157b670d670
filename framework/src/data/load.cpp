#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/builtin.hpp"
#include "data/idx.hpp"
#include "soma/dataset.hpp"
#include "soma/error.hpp"

namespace soma::data {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kIdxForm = "idx:";

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
  fs::path (*folder)();  // nullptr if built in
};

fs::path mnist_folder() { return data_folder() / "mnist"; }

DataSplit load_mnist(std::uint64_t /*seed*/) {
  const bool set = !from_environment("SOMA_DATA").empty();
  return load_idx("mnist", mnist_folder(), 10,
                  set ? "" : "; SOMA_DATA, the folder that has a folder mnist, is not set");
}

constexpr NamedSet kSets[] = {
    {"mnist", "handwritten digits, 28x28 grey, 10 classes; 60,000 train, 10,000 test", load_mnist,
     mnist_folder},
    {"glyphs", "drawn digits, 28x28 grey, 10 classes; 10,000 train, 2,000 test", make_glyphs,
     nullptr},
    {"iris", "Fisher's flowers, 4 lengths, 3 species; 99 train, 51 test", make_iris, nullptr},
    {"xor", "exclusive or of 2 bits, 2 classes; 4 train, the same 4 test",
     [](std::uint64_t) { return make_xor(); }, nullptr},
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
  throw FormatError("data '" + spec + "': expected " + known +
                    "or idx:DIR (a folder with MNIST's "
                    "four files), found an unknown name");
}

std::vector<Info> list() {
  std::vector<Info> infos;
  for (const NamedSet& set : kSets) {
    Info info{set.name, set.summary, "built in", true};
    if (set.folder != nullptr) {
      info.source = set.folder().string();
      info.available = has_idx(set.folder());
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace soma::data
