#include "text_model.hpp"

#include <algorithm>
#include <numeric>

#include "soma/error.hpp"
#include "soma/sdk/math/functions.hpp"

namespace {

/// The byte that a class is called after in C: "a", "\n", "\xc3"; nothing for other names.
std::string byte_of(const std::string& name) {
  if (name.size() == 1) return name;
  if (name == "\\n") return "\n";
  if (name == "\\t") return "\t";
  if (name == "\\r") return "\r";
  if (name.size() == 4 && name.starts_with("\\x")) {
    return {static_cast<char>(std::stoi(name.substr(2), nullptr, 16))};
  }
  return {};
}

std::string bytes_of(const soma::Model& model) {
  const auto fail = [&](const std::string& found) {
    throw soma::UnsupportedError(
        "model '" + model.name() +
        "': expected one of characters, with ids [T] as input and logits [T,characters], found " +
        found);
  };
  const soma::Shape &in = model.input_shape(), &out = model.output_shape();
  if (model.inputs().size() != 1 || model.inputs()[0].type != soma::DType::i32 || in.rank() != 1 ||
      out.rank() != 2 || out[0] != in[0]) {
    fail("input " + in.str() + " and output " + out.str());
  }
  std::string bytes;
  for (const std::string& name : model.record_format().class_names) {
    const std::string byte = byte_of(name);
    if (byte.empty()) fail("a class called '" + name + "'");
    bytes += byte;
  }
  if (static_cast<std::int64_t>(bytes.size()) != out[1]) {
    fail(std::to_string(bytes.size()) + " names of characters for " + std::to_string(out[1]) +
         " logits");
  }
  return bytes;
}

}  // namespace

TextModel::TextModel(const soma::Model& model, const soma::Backend& backend, int threads)
    : bytes_(bytes_of(model)),
      predictor_(model, backend,
                 {.max_batch = 1, .threads = threads, .probabilities = false, .concurrency = 1}),
      context_(model.input_shape()[0]),
      window_(static_cast<std::size_t>(context_)),
      logits_(static_cast<std::size_t>(predictor_.output_size())) {}

std::vector<std::int32_t> TextModel::encode(std::string_view text) const {
  std::vector<std::int32_t> indices;
  for (const char c : text) {
    const std::size_t at = bytes_.find(c);
    if (at == std::string::npos) {
      throw soma::FormatError("the model was not trained with the character '" + std::string(1, c) +
                              "' of the prompt");
    }
    indices.push_back(static_cast<std::int32_t>(at));
  }
  return indices;
}

std::int32_t TextModel::beginning() const {
  const std::size_t at = bytes_.find('\n');
  return at == std::string::npos ? 0 : static_cast<std::int32_t>(at);
}

std::span<const float> TextModel::next(std::span<const std::int32_t> text) {
  const auto context = static_cast<std::size_t>(context_);
  if (text.empty() || (text.size() < context && looks_ahead())) {
    throw soma::UnsupportedError(
        "expected a text of " + std::to_string(context) +
        " characters or more, because the model looks at all of them; got " +
        std::to_string(text.size()));
  }
  text = text.last(std::min(text.size(), context));
  // What is not there yet stands behind the text, where a model that looks back never sees it.
  std::ranges::fill(window_, 0);
  std::ranges::copy(text, window_.begin());
  predictor_.run(window_, logits_);
  const std::size_t characters = bytes_.size();
  return std::span(logits_).subspan((text.size() - 1) * characters, characters);
}

bool TextModel::looks_ahead() {
  if (asked_) return looks_ahead_;
  asked_ = true;
  const auto first_logits = [&](std::int32_t behind) {
    std::ranges::fill(window_, behind);
    window_[0] = 0;
    predictor_.run(window_, logits_);
    return std::vector(logits_.begin(), logits_.begin() + std::ssize(bytes_));
  };
  looks_ahead_ = first_logits(0) != first_logits(static_cast<std::int32_t>(bytes_.size()) - 1);
  return looks_ahead_;
}

std::int32_t draw_from(std::span<const float> logits, double temperature, std::int64_t top_k,
                       double uniform) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int32_t a, std::int32_t b) {
    return logits[static_cast<std::size_t>(a)] > logits[static_cast<std::size_t>(b)];
  });
  if (top_k > 0) order.resize(std::min(order.size(), static_cast<std::size_t>(top_k)));
  if (temperature == 0) return order.front();
  const float largest = logits[static_cast<std::size_t>(order.front())];
  std::vector<double> below;  // running sums of the weights
  double sum = 0;
  for (const std::int32_t i : order) {
    const float distance = logits[static_cast<std::size_t>(i)] - largest;
    sum += soma::math::exp(distance / static_cast<float>(temperature));
    below.push_back(sum);
  }
  const auto found = std::ranges::upper_bound(below, uniform * sum);
  return order[std::min(order.size() - 1, static_cast<std::size_t>(found - below.begin()))];
}
