#include "data/npz.hpp"

#include <algorithm>
#include <optional>

#include "data/cell.hpp"
#include "data/file_text.hpp"
#include "data/npy.hpp"
#include "data/split.hpp"
#include "data/zip.hpp"
#include "soma/error.hpp"

namespace soma::data {
namespace {

using Names = std::vector<std::string>;

/// Samples with their targets, as arrays; `what` names the targets in messages.
Dataset dataset(const Spec& spec, const NpyArray& x, const NpyArray& y, const std::string& what,
                std::int64_t least_classes) {
  const Shape& shape = x.shape();
  if (shape.rank() < 2 || shape.elements() == 0) {
    throw FormatError(what + ": expected samples [n,...], found " + shape.str());
  }
  if (y.shape().rank() < 1 || y.shape()[0] != shape[0]) {
    throw FormatError(what + ": expected targets for " + std::to_string(shape[0]) +
                      " samples, found " + y.shape().str());
  }
  const Shape sample = shape.from(1);
  if (y.is_float()) {
    Tensor targets({shape[0], y.shape().elements_from(1)});
    std::ranges::copy(std::as_const(y).floats().as<float>(), targets.as<float>().begin());
    return {spec.text(), x.floats(), std::move(targets)};
  }
  if (y.shape().elements() != shape[0]) {
    throw FormatError(what + ": expected one class for each sample, found " + y.shape().str());
  }
  auto labels = y.integers();
  const auto [least, largest] = std::ranges::minmax_element(labels);
  constexpr std::int32_t kMost = 100000;
  if (*least < 0 || *largest > kMost) {
    throw FormatError(what + ": expected classes from 0 to " + std::to_string(kMost) + ", found " +
                      std::to_string(*least < 0 ? *least : *largest));
  }
  Names names;
  for (std::int64_t c = 0; c <= std::max<std::int64_t>(*largest, least_classes - 1); ++c) {
    names.push_back(std::to_string(c));
  }
  if (x.is_bytes()) return {spec.text(), sample, x.bytes(), std::move(labels), std::move(names)};
  return {spec.text(), x.floats(), std::move(labels), std::move(names)};
}

class NpzFile {
 public:
  explicit NpzFile(const std::string& file)
      : file_(file), bytes_(read_bytes(file)), archive_(bytes_, file) {}

  /// The first of these arrays that is there.
  const ZipArchive::Entry* find(const Names& names) const {
    for (const std::string& name : names) {
      const auto entry = std::ranges::find_if(archive_.entries(), [&](const auto& e) {
        return e.name == name || e.name == name + ".npy";
      });
      if (entry != archive_.entries().end()) return &*entry;
    }
    return nullptr;
  }
  const ZipArchive::Entry& need(const Names& names) const {
    if (const auto* entry = find(names)) return *entry;
    std::string there;
    for (const auto& entry : archive_.entries()) {
      there += (there.empty() ? "" : ", ") + shown(entry.name.substr(0, entry.name.rfind(".npy")));
    }
    throw FormatError(file_ + ": expected an array called " + names[0] + ", found " +
                      (there.empty() ? "none" : there));
  }
  NpyArray array(const ZipArchive::Entry& entry) const {
    return {archive_.read(entry), file_ + ": " + shown(entry.name)};
  }

 private:
  std::string file_, bytes_;
  ZipArchive archive_;
};

Names named(Spec& spec, std::string_view option, Names usual) {
  const auto name = spec.text_option(option);
  return name ? Names{*name} : usual;
}

/// Throws FormatError instead of ShapeError where the samples are too few.
DataSplit split_file(const std::string& file, const Dataset& data, const SplitOptions& options) {
  try {
    return split(data, options);
  } catch (const ShapeError& error) {
    throw FormatError(file + ": " + error.what());
  }
}

}  // namespace

DataSplit load_npz(Spec spec, const std::string& file, const LoadOptions& options) {
  const Names x = named(spec, "x", {"x_train", "x", "X", "images", "data"});
  const Names y = named(spec, "y", {"y_train", "y", "Y", "labels", "targets"});
  const Names x_test = named(spec, "x_test", {"x_test"}),
              y_test = named(spec, "y_test", {"y_test"});
  const NpzFile npz(file);
  const auto *tested = npz.find(x_test), *test_targets = npz.find(y_test);
  const bool has_test = tested != nullptr && test_targets != nullptr;
  if (!has_test && (spec.given("x_test") || spec.given("y_test"))) {
    npz.need(x_test);
    npz.need(y_test);
  }
  SplitOptions shares = split_options(spec, options.seed, {.test = has_test ? 0.0 : 0.2});
  spec.finish();
  const auto &samples = npz.need(x), &targets = npz.need(y);
  const Dataset all =
      dataset(spec, npz.array(samples), npz.array(targets), file + ": " + targets.name, 0);
  if (!has_test) return split_file(file, all, shares);
  DataSplit parts = shares.validation > 0 ? split_file(file, all, shares) : DataSplit{all, all};
  parts.test = dataset(spec, npz.array(*tested), npz.array(*test_targets),
                       file + ": " + test_targets->name, all.classes());
  if (parts.test.sample_shape() != all.sample_shape() || parts.test.classes() != all.classes()) {
    throw FormatError(file + ": " + tested->name + ": expected samples " +
                      all.sample_shape().str() + " of " + std::to_string(all.classes()) +
                      " classes as for training, found " + parts.test.sample_shape().str() +
                      " of " + std::to_string(parts.test.classes()));
  }
  return parts;
}

DataSplit load_npy(Spec spec, const std::string& file, const LoadOptions& options) {
  const auto targets = spec.text_option("y");
  if (!targets) spec.fail("expected the file of the targets too, y=FILE, found none");
  const SplitOptions shares = split_options(spec, options.seed);
  spec.finish();
  const NpyArray x(read_bytes(file), file), y(read_bytes(*targets), *targets);
  return split_file(file, dataset(spec, x, y, *targets, 0), shares);
}

}  // namespace soma::data
