#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>

#include "command_line.hpp"
#include "files.hpp"
#include "session.hpp"
#include "soma/predictor.hpp"
#include "soma/sdk/math/functions.hpp"
#include "soma/trainer.hpp"
#include "text_model.hpp"

namespace {

/// The samples to predict, row by row, and where their names come from.
struct Samples {
  std::vector<float> values;
  std::vector<std::int64_t> labels;  ///< the true class of each, when the data set knows it
  std::vector<std::string> class_names;
  std::vector<std::string> truth;  ///< what a record says of its target
};

Samples from_data(const std::string& spec, std::int64_t index, const soma::Model& model) {
  const soma::Dataset data = soma::data::load(spec).test;
  require_fit(model, data);
  if (model.record_format().takes_records() && data.record_format() != model.record_format()) {
    throw soma::StateError("data '" + spec +
                           "' were not what the model was trained with; give the records "
                           "themselves, with --input FILE");
  }
  if (index < 0 || index >= data.size()) {
    throw soma::StateError("data '" + spec + "' has test samples 0 to " +
                           std::to_string(data.size() - 1) + ", there is no " +
                           std::to_string(index));
  }
  Samples samples;
  samples.values.resize(static_cast<std::size_t>(data.sample_shape().elements()));
  if (data.inputs()[0].type == soma::DType::i32) {
    std::vector<std::int32_t> indices(samples.values.size());
    data.gather_input(0, {&index, 1}, reinterpret_cast<std::byte*>(indices.data()));
    std::ranges::copy(indices, samples.values.begin());
  } else {
    data.gather_inputs({&index, 1}, samples.values.data());
  }
  if (data.is_classification()) {
    std::vector<std::int32_t> labels(static_cast<std::size_t>(data.target_shape().elements()));
    data.gather_labels({&index, 1}, labels.data());
    samples.labels.push_back(labels.back());
    samples.class_names = data.class_names();
  }
  return samples;
}

/// Records as the model was trained with.
Samples from_records(const std::string& text, const std::string& origin,
                     const soma::RecordFormat& format) {
  soma::data::Records records = soma::data::read_records(text, origin, format);
  for (const std::string& note : records.notes) std::cerr << "data: " << note << "\n";
  Samples samples;
  samples.values = std::move(records.inputs);
  samples.truth = std::move(records.truth);
  return samples;
}

/// Numbers separated by commas or blanks, one sample a line; empty lines are skipped.
Samples from_text(const std::string& text, const std::string& origin, const soma::Model& model) {
  if (model.record_format().takes_records()) {
    return from_records(text, origin, model.record_format());
  }
  const auto wanted = static_cast<std::size_t>(model.input_shape().elements());
  Samples samples;
  std::istringstream in(text);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    const std::string where = origin + ":" + std::to_string(number);
    std::ranges::replace_if(
        line, [](char c) { return c == ',' || c == ';' || c == '\r'; }, ' ');
    std::istringstream cells(line);
    std::size_t count = 0;
    for (std::string cell; cells >> cell; ++count) {
      float value = 0;
      const auto read = std::from_chars(cell.data(), cell.data() + cell.size(), value);
      if (read.ec != std::errc() || read.ptr != cell.data() + cell.size()) {
        throw soma::FormatError(where + ": expected a number, found \"" + cell + "\"");
      }
      samples.values.push_back(value);
    }
    if (count != 0 && count != wanted) {
      throw soma::FormatError(where + ": expected " + std::to_string(wanted) + " numbers " +
                              model.input_shape().str() + ", found " + std::to_string(count));
    }
  }
  if (samples.values.empty()) throw soma::FormatError(origin + ": holds no numbers");
  return samples;
}

/// --input: SPEC#index, "-" for standard input, or a text file.
Samples from_input(const std::string& input, const soma::Model& model) {
  if (input == "-") {
    const std::string text(std::istreambuf_iterator<char>(std::cin), {});
    return from_text(text, "standard input", model);
  }
  const std::size_t hash = input.rfind('#');
  if (hash == std::string::npos) return from_text(read_file(input), input, model);
  const std::string digits = input.substr(hash + 1);
  std::int64_t index = 0;
  const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), index);
  if (read.ec != std::errc() || read.ptr != digits.data() + digits.size()) {
    throw UsageError("--input: expected SPEC#index, got '" + input + "'");
  }
  return from_data(input.substr(0, hash), index, model);
}

nlohmann::ordered_json class_json(std::int64_t index, const std::vector<std::string>& names) {
  nlohmann::ordered_json out = {{"class", index}};
  if (index < static_cast<std::int64_t>(names.size())) {
    out["name"] = names[static_cast<std::size_t>(index)];
  }
  return out;
}

std::string class_text(std::int64_t index, const std::vector<std::string>& names) {
  return index < static_cast<std::int64_t>(names.size()) ? names[static_cast<std::size_t>(index)]
                                                         : std::to_string(index);
}

/// The likeliest answers: for people, and added to `one` for programs.
std::string top_of(std::span<const float> probabilities, std::int64_t most,
                   const std::vector<std::string>& names, nlohmann::ordered_json& one) {
  std::vector<std::int64_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, [&](std::int64_t a, std::int64_t b) {
    return probabilities[static_cast<std::size_t>(a)] > probabilities[static_cast<std::size_t>(b)];
  });
  order.resize(std::min(order.size(), static_cast<std::size_t>(most)));
  one["top"] = nlohmann::ordered_json::array();
  std::string text;
  for (const std::int64_t c : order) {
    const double probability = probabilities[static_cast<std::size_t>(c)];
    nlohmann::ordered_json entry = class_json(c, names);
    entry["probability"] = probability;
    one["top"].push_back(entry);
    text += (text.empty() ? "" : "   ") + class_text(c, names) + " " + percent(probability);
  }
  return text;
}

/// What a record says of its target: a class by name, or a number.
nlohmann::ordered_json truth_json(const std::string& cell, const soma::RecordFormat& format) {
  const auto& names = format.class_names;
  const auto found = std::ranges::find(names, cell);
  if (found != names.end()) return class_json(found - names.begin(), names);
  return {{"name", cell}};
}

/// All digits of a bare number; of an answer in somebody's units those that tell it from others.
std::string number_text(double value, const soma::RecordFormat& format) {
  char text[40];
  std::snprintf(text, sizeof text, format.takes_records() ? "%.6g" : "%.9g", value);
  if (format.takes_records() && format.target) {
    return format.fields[*format.target].name + " " + text;
  }
  return text;
}

std::vector<float> softmax_of(std::span<const float> logits) {
  const float largest = *std::ranges::max_element(logits);
  std::vector<float> p(logits.size());
  float sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) sum += p[i] = soma::math::exp(logits[i] - largest);
  for (float& x : p) x /= sum;
  return p;
}

}  // namespace

int run_predict(Arguments args) {
  std::string source, input, spec, prompt, fallback, backend_name = "auto", numerics = "fast";
  std::optional<std::int64_t> index, top, threads;
  bool json = false;
  CommandLine line(
      "predict",
      "RUN|FILE (--input SPEC#I | FILE | -) | (--data SPEC --index I) | (--prompt TEXT) "
      "[options]",
      "What a trained model says about single samples: the likeliest classes, or the "
      "output numbers.\nA text file (- for standard input) holds one sample a line, "
      "numbers separated by commas or blanks;\nfor a model trained on a table, "
      "records as that table has them, with its header or without.\nOf a sequence, "
      "what comes at its end.");
  line.positional("RUN", &source)
      .option("input", &input, "WHAT", "SPEC#I (test sample I), a text file, or -")
      .option("data", &spec, "SPEC", "with --index: test sample of this data set")
      .option("index", &index, "I", "from 0")
      .option("prompt", &prompt, "TEXT", "a text, for a model of characters: what comes next")
      .option("top", &top, "K", "classes to show (default 3)")
      .option("backend", &backend_name, "NAME", "auto (default) or one of 'soma backends'")
      .option("fallback", &fallback, "NAME", "the backend for ops that this one lacks")
      .option("threads", &threads, "N", "threads (default 1)")
      .option("numerics", &numerics, "KIND", "fast (default), exact or bf16")
      .flag("json", &json, "print one line of JSON");
  if (!line.parse(args)) return 0;
  require_at_least("top", top, 1);
  require_at_least("threads", threads, 1);
  require_at_least("index", index, 0);
  const soma::Numerics kind = numerics_from_name(numerics);
  const bool by_index = !spec.empty() && index.has_value();
  if (!input.empty() + by_index + !prompt.empty() != 1) {
    throw UsageError("predict: expected either --input, or --data with --index, or --prompt");
  }

  const TrainedModel trained = load_trained(source);
  const soma::Model& model = trained.model;
  if (model.inputs().size() > 1) {
    throw soma::UnsupportedError("predict: expected a model with one input, found " +
                                 std::to_string(model.inputs().size()));
  }
  nlohmann::ordered_json predictions = nlohmann::ordered_json::array();
  const auto print_json = [&](const soma::Backend& backend) {
    const nlohmann::ordered_json out = {{"file", trained.file.string()},
                                        {"model", model.name()},
                                        {"backend", backend.name()},
                                        {"numerics", name_of(kind)},
                                        {"predictions", predictions}};
    std::cout << out.dump() << "\n";
  };
  if (!prompt.empty()) {
    const soma::Backend backend = open_backend(backend_name, kind, fallback);
    TextModel text(model, backend, static_cast<int>(threads.value_or(1)));
    const auto probabilities = softmax_of(text.next(text.encode(prompt)));
    const std::string line = top_of(probabilities, top.value_or(3),
                                    model.record_format().class_names, predictions.emplace_back());
    json ? print_json(backend) : static_cast<void>(std::puts(line.c_str()));
    return 0;
  }
  Samples samples = by_index ? from_data(spec, *index, model) : from_input(input, model);
  const soma::RecordFormat& format = model.record_format();
  if (samples.class_names.empty()) samples.class_names = format.class_names;
  if (samples.class_names.empty() && trained.config) {
    samples.class_names = trained.config->class_names;
  }
  const int used = static_cast<int>(threads.value_or(1));
  const std::int64_t row_size = std::max<std::int64_t>(1, model.input_shape().elements());
  const soma::Backend backend = open_backend(
      backend_name, model, {.batch = 1, .threads = used, .numerics = kind, .fallback = fallback},
      static_cast<std::int64_t>(samples.values.size()) / row_size, Tell::when_measured);
  const soma::Predictor predictor(model, backend,
                                  {.max_batch = 1, .threads = used, .concurrency = 1});
  const auto in = static_cast<std::size_t>(predictor.input_size());
  std::vector<float> output(static_cast<std::size_t>(predictor.output_size()));
  const bool classes = model.loss().takes_classes();

  for (std::size_t row = 0; row * in < samples.values.size(); ++row) {
    const auto values = std::span(samples.values).subspan(row * in, in);
    if (model.inputs()[0].type == soma::DType::i32) {
      const std::vector<std::int32_t> indices(values.begin(), values.end());
      predictor.run(indices, output);
    } else {
      predictor.run(values, output);
    }
    nlohmann::ordered_json one;
    std::string truth;
    if (row < samples.labels.size()) {
      one["truth"] = class_json(samples.labels[row], samples.class_names);
      truth = class_text(samples.labels[row], samples.class_names);
    } else if (row < samples.truth.size() && !samples.truth[row].empty()) {
      truth = samples.truth[row];
      one["truth"] = truth_json(truth, format);
    }
    if (!truth.empty()) truth = "   (truth " + truth + ")";
    if (!classes) {
      one["output"] = nlohmann::ordered_json::array();
      std::string text;
      for (const float value : output) {
        one["output"].push_back(format.answer(value));
        text += (text.empty() ? "" : " ") + number_text(format.answer(value), format);
      }
      predictions.push_back(one);
      if (!json) std::printf("%s%s\n", text.c_str(), truth.c_str());
      continue;
    }
    // Of a sequence, what comes at its end.
    const auto answer =
        std::span(output).last(static_cast<std::size_t>(model.output_shape().back()));
    const std::string text = top_of(answer, top.value_or(3), samples.class_names, one);
    predictions.push_back(one);
    if (json) continue;
    std::printf("%s%s\n", text.c_str(), truth.c_str());
  }
  if (json) print_json(backend);
  return 0;
}
