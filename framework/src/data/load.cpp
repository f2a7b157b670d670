#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "data/builtin.hpp"
#include "data/cifar.hpp"
#include "data/csv.hpp"
#include "data/generated.hpp"
#include "data/idx.hpp"
#include "data/images.hpp"
#include "data/npz.hpp"
#include "data/series.hpp"
#include "data/spec.hpp"
#include "data/split.hpp"
#include "data/tables.hpp"
#include "data/text.hpp"
#include "soma/dataset.hpp"
#include "soma/error.hpp"

namespace soma::data {

namespace fs = std::filesystem;

namespace {

fs::path from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? fs::path() : fs::path(value);
}

/// A set with a name: built in, or in its place under folder().
struct NamedSet {
  std::string name, summary;
  DataSplit (*load)(Spec spec, const LoadOptions& options, const fs::path& place);
  std::string place;              // empty if built in
  bool (*here)(const fs::path&);  // whether it is in its place
};

/// Takes the validation part that the SPEC asks for out of the training part.
DataSplit with_validation(Spec& spec, const LoadOptions& options, DataSplit parts) {
  const double share = spec.number_option("validation", 0, 0, 0.9);
  const std::uint64_t seed = spec.seed_option("seed", options.seed);
  spec.finish();
  if (share == 0) return parts;
  DataSplit again = split(parts.train, {.test = share, .seed = seed});
  parts.train = std::move(again.train);
  parts.validation = std::move(again.test);
  return parts;
}

bool file_exists(const fs::path& file) { return fs::is_regular_file(file); }

DataSplit load_mnist(Spec spec, const LoadOptions& options, const fs::path& place) {
  return with_validation(spec, options, load_idx("mnist", place, 10, how_to_get("mnist")));
}

DataSplit load_glyphs(Spec spec, const LoadOptions& options, const fs::path&) {
  const std::uint64_t seed = spec.seed_option("seed", options.seed);
  return with_validation(spec, options, make_glyphs(seed));
}

DataSplit load_iris(Spec spec, const LoadOptions& options, const fs::path&) {
  const std::uint64_t seed = spec.seed_option("seed", options.seed);
  spec.finish();
  return make_iris(seed);
}

DataSplit load_xor(Spec spec, const LoadOptions&, const fs::path&) {
  spec.finish();
  return make_xor();
}

DataSplit load_shakespeare(Spec spec, const LoadOptions&, const fs::path& place) {
  if (!file_exists(place)) {
    throw FormatError("data 'tinyshakespeare': expected " + place.string() + ", found none" +
                      how_to_get("tinyshakespeare"));
  }
  return load_text(std::move(spec), place);
}

DataSplit load_cifar(Spec spec, const LoadOptions& options, const fs::path& place) {
  return with_validation(spec, options, load_cifar10("cifar10", place, how_to_get("cifar10")));
}

/// A series of those that come with the tables.
DataSplit load_named_series(Spec spec, const LoadOptions& options, const fs::path& place) {
  if (!file_exists(place)) {
    spec.fail("expected " + place.string() + ", found none" + how_to_get(spec.form()));
  }
  return load_series(std::move(spec), place.string(), options);
}

/// A set that is computed.
template <DataSplit (*make)(Spec, const LoadOptions&)>
DataSplit generated(Spec spec, const LoadOptions& options, const fs::path&) {
  return make(std::move(spec), options);
}

const std::vector<NamedSet>& named_sets() {
  static const std::vector<NamedSet> sets = [] {
    std::vector<NamedSet> list = {
        {"mnist", "handwritten digits, 28x28 grey, 10 classes; 60,000 train, 10,000 test",
         load_mnist, "mnist", has_idx},
        {"glyphs", "drawn digits, 28x28 grey, 10 classes; 10,000 train, 2,000 test", load_glyphs,
         "", nullptr},
        {"cifar10", "photographs, 32x32 in colour, 10 classes; up to 50,000 train, 10,000 test",
         load_cifar, "cifar10", has_cifar10},
        {"iris", "Fisher's flowers, 4 lengths, 3 species; 99 train, 51 test", load_iris, "",
         nullptr},
        {"xor", "exclusive or of 2 bits, 2 classes; 4 train, the same 4 test", load_xor, "",
         nullptr},
        {"tinyshakespeare",
         "plays by Shakespeare, 65 characters; windows of 64, 15,685 train, 1,742 test",
         load_shakespeare, "tinyshakespeare/input.txt", file_exists},
        {"temperatures",
         "daily minima in Melbourne, 1981 to 1990; windows of 30 days, 2,890 train, 700 test",
         load_named_series, "tabular/daily-min-temperatures.csv", file_exists},
        {"passengers", "airline passengers by month, 1949 to 1960; series, give window=12 or so",
         load_named_series, "tabular/airline-passengers.csv", file_exists},
        {"spirals", "points on 2 spirals, 2 classes; 1,000 train, 500 test",
         generated<make_spirals>, "", nullptr},
        {"adding", "the sum of two marked numbers among 50; 10,000 train, 1,000 test",
         generated<make_adding>, "", nullptr},
        {"copy", "10 symbols to repeat after a pause; 10,000 train, 1,000 test",
         generated<make_copy>, "", nullptr},
        {"reverse", "10 symbols to repeat backwards; 10,000 train, 1,000 test",
         generated<make_reverse>, "", nullptr},
        {"tones", "512 samples of sound, 4 wave forms; 4,000 train, 1,000 test",
         generated<make_tones>, "", nullptr}};
    for (const NamedTable& table : named_tables()) {
      list.push_back({table.name, table.summary, load_named_table, table.place, file_exists});
    }
    return list;
  }();
  return sets;
}

struct Form {
  const char* name;
  DataSplit (*load)(Spec spec, const LoadOptions& options, const std::string& path);
  std::vector<std::string> endings;  // of files that need not be told
};

const std::vector<Form>& forms() {
  static const std::vector<Form> list = {
      {"csv",
       [](Spec spec, const LoadOptions& options, const std::string& path) {
         return load_csv(std::move(spec), path, options);
       },
       {".csv", ".tsv", ".csv.gz"}},
      {"text",
       [](Spec spec, const LoadOptions&, const std::string& path) {
         return load_text(std::move(spec), path);
       },
       {".txt"}},
      {"idx",
       [](Spec spec, const LoadOptions& options, const std::string& path) {
         DataSplit parts = load_idx(spec.text(), path);
         return with_validation(spec, options, std::move(parts));
       },
       {}},
      {"images",
       [](Spec spec, const LoadOptions& options, const std::string& path) {
         return load_images(std::move(spec), path, options);
       },
       {}},
      {"npz",
       [](Spec spec, const LoadOptions& options, const std::string& path) {
         return load_npz(std::move(spec), path, options);
       },
       {".npz"}},
      {"npy",
       [](Spec spec, const LoadOptions& options, const std::string& path) {
         return load_npy(std::move(spec), path, options);
       },
       {".npy"}},
      {"series",
       [](Spec spec, const LoadOptions& options, const std::string& path) {
         return load_series(std::move(spec), path, options);
       },
       {}},
  };
  return list;
}

/// The form that a SPEC names or, for a path alone, the one of such files; nullptr if there is
/// none.
const Form* form_of(const Spec& spec) {
  for (const Form& form : forms()) {
    if (spec.has_path() && !spec.path().empty() && spec.form() == form.name) return &form;
    if (spec.has_path() || !fs::exists(spec.form())) continue;
    const auto ends = [&](const std::string& ending) { return spec.form().ends_with(ending); };
    if (std::ranges::any_of(form.endings, ends)) return &form;
  }
  return nullptr;
}

DataSplit load_spec(const Spec& spec, const LoadOptions& options) {
  std::string known;
  for (const NamedSet& set : named_sets()) {
    if (!spec.has_path() && spec.form() == set.name) {
      return set.load(spec, options, folder() / set.place);
    }
    known += set.name + ", ";
  }
  if (const Form* form = form_of(spec)) {
    return form->load(spec, options, spec.has_path() ? spec.path() : spec.form());
  }
  spec.fail(
      "expected " + known +
      "csv:FILE, text:FILE, idx:DIR (a folder with MNIST's four files), images:DIR, npz:FILE, "
      "npy:FILE or series:FILE, found an unknown name and no such file");
}

}  // namespace

fs::path folder() {
  // XDG Base Directory Specification 0.8: an unset, empty or relative XDG_DATA_HOME means
  // ~/.local/share.
  if (const fs::path set = from_environment("SOMA_DATA"); !set.empty()) return set;
  fs::path shared = from_environment("XDG_DATA_HOME");
  if (!shared.is_absolute()) shared = from_environment("HOME") / ".local/share";
  return shared / "soma";
}

std::string how_to_get(const std::string& name) {
  const bool set = !from_environment("SOMA_DATA").empty();
  return std::string(set ? "" : "; SOMA_DATA, the folder that has it, is not set") +
         "; get it with: soma data fetch " + name;
}

DataSplit load(const std::string& text, std::uint64_t seed) {
  return load(text, LoadOptions{.seed = seed});
}

DataSplit load(const std::string& text, const LoadOptions& options) {
  Spec spec(text);
  if (spec.take_option("target") != "input") return load_spec(Spec(text), options);
  DataSplit parts = load_spec(spec, options);
  return {parts.train.reconstructing(), parts.test.reconstructing(),
          parts.validation.size() > 0 ? parts.validation.reconstructing() : Dataset()};
}

std::vector<Info> list() {
  std::vector<Info> infos;
  for (const NamedSet& set : named_sets()) {
    Info info{set.name, set.summary, "built in", true};
    if (!set.place.empty()) {
      const fs::path place = folder() / set.place;
      info.source = place.string();
      info.available = set.here(place);
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

}  // namespace soma::data
