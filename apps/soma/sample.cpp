#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command_line.hpp"
#include "latent_decoder.hpp"
#include "session.hpp"
#include "soma/philox.hpp"
#include "text_model.hpp"

namespace {

struct Request {
  std::string source, prompt, out, fallback, backend = "auto", numerics = "fast";
  std::optional<std::int64_t> length, top_k, seed, threads;
  std::optional<double> temperature;
  bool json = false;

  double heat() const { return temperature.value_or(1); }
  std::uint64_t first() const { return static_cast<std::uint64_t>(seed.value_or(1)); }
};

nlohmann::ordered_json header(const Request& r, const TrainedModel& trained,
                              const soma::Backend& backend) {
  return {{"file", trained.file.string()},
          {"model", trained.model.name()},
          {"backend", backend.name()},
          {"numerics", r.numerics},
          {"seed", r.first()}};
}

/// Prints each character as it is drawn.
void write_text(const Request& r, const TrainedModel& trained, const soma::Backend& backend) {
  TextModel model(trained.model, backend, static_cast<int>(r.threads.value_or(1)));
  std::vector<std::int32_t> text = model.encode(r.prompt);
  std::string drawn;
  if (!r.json) std::cout << r.prompt << std::flush;
  if (text.empty()) text.push_back(model.beginning());
  const soma::PhiloxStream stream(r.first(), "sample");
  for (std::int64_t i = 0; i < r.length.value_or(500); ++i) {
    const double uniform = stream.bits(0, static_cast<std::uint32_t>(i)) * 0x1p-32;
    text.push_back(draw_from(model.next(text), r.heat(), r.top_k.value_or(0), uniform));
    drawn += model.character(text.back());
    if (!r.json) std::cout << drawn.back() << std::flush;
    if (!std::cout) return;  // whoever read it has gone
  }
  if (!r.json) {
    std::cout << "\n";
    return;
  }
  nlohmann::ordered_json out = header(r, trained, backend);
  out["prompt"] = r.prompt;
  out["text"] = drawn;
  // Bytes of a text that is not UTF-8 are replaced.
  std::cout << out.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
}

/// Draws from the latent numbers and shows what they decode to: images as a PNG, others as rows.
void draw_samples(const Request& r, const TrainedModel& trained, const soma::Backend& backend) {
  if (!r.prompt.empty()) throw UsageError("--prompt: only a model of characters takes one");
  if (r.top_k) throw UsageError("--top-k: only a model of characters takes it");
  const soma::Model decoder = latent_decoder(trained.model);
  const soma::Predictor predictor(
      decoder, backend,
      {.max_batch = 1, .threads = static_cast<int>(r.threads.value_or(1)), .concurrency = 1});
  const std::int64_t count = r.length.value_or(64), size = predictor.output_size();
  std::vector<float> values(static_cast<std::size_t>(count * size));
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<float> latent =
        standard_normals(r.first(), static_cast<std::uint32_t>(i), predictor.input_size());
    for (float& x : latent) x *= static_cast<float>(r.heat());
    predictor.run(latent, std::span(values).subspan(static_cast<std::size_t>(i * size),
                                                    static_cast<std::size_t>(size)));
  }
  const soma::Shape& shape = decoder.output_shape();
  const bool images = shape.rank() == 3 && (shape[2] == 1 || shape[2] == 3);
  std::filesystem::path file;
  if (images) {
    const std::filesystem::path source = r.source;
    file = !r.out.empty()                          ? std::filesystem::path(r.out)
           : std::filesystem::is_directory(source) ? source / "samples.png"
                                                   : std::filesystem::path("samples.png");
    write_image_grid(file, values, shape);
  }
  if (r.json) {
    nlohmann::ordered_json out = header(r, trained, backend);
    out["samples"] = count;
    if (images) out["image"] = file.string();
    if (!images) out["values"] = values;
    std::cout << out.dump() << "\n";
    return;
  }
  if (images) {
    std::cout << grouped(count) << " samples in " << file.string() << "\n";
    return;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::cout << values[i] << ((i + 1) % static_cast<std::size_t>(size) == 0 ? "\n" : ",");
  }
}

}  // namespace

int run_sample(Arguments args) {
  Request r;
  CommandLine line(
      "sample", "RUN|FILE [options]",
      "Draws from a trained model. One of characters goes on with a text, character by "
      "character;\na variational autoencoder gives images, as a PNG. The same seed "
      "gives the same samples\n(with --numerics exact: on every backend and machine).");
  line.positional("RUN", &r.source)
      .option("length", &r.length, "N", "characters (default 500), or images (default 64)")
      .option("prompt", &r.prompt, "TEXT", "what to go on with")
      .option("temperature", &r.temperature, "X",
              "1 (default) as learned; below 1 more usual, 0 always the likeliest")
      .option("top-k", &r.top_k, "K", "draw from the K likeliest characters alone")
      .option("seed", &r.seed, "S", "of the draw (default 1)")
      .option("out", &r.out, "FILE", "of the images (default samples.png in the run)")
      .option("backend", &r.backend, "NAME", "auto (default) or one of 'soma backends'")
      .option("fallback", &r.fallback, "NAME", "the backend for ops that this one lacks")
      .option("threads", &r.threads, "N", "threads (default 1)")
      .option("numerics", &r.numerics, "KIND", "fast (default), exact or bf16")
      .flag("json", &r.json, "print one line of JSON at the end");
  if (!line.parse(args)) return 0;
  require_at_least("length", r.length, 1);
  require_at_least("top-k", r.top_k, 1);
  require_at_least("seed", r.seed, 0);
  require_at_least("threads", r.threads, 1);
  if (!(r.heat() >= 0) || !std::isfinite(r.heat())) {
    throw UsageError("--temperature: expected a number of 0 or more");
  }
  const soma::Numerics kind = numerics_from_name(r.numerics);
  const TrainedModel trained = load_trained(r.source);
  const soma::Backend backend = open_backend(r.backend, kind, r.fallback);
  if (trained.model.inputs()[0].type == soma::DType::i32) {
    write_text(r, trained, backend);
  } else {
    draw_samples(r, trained, backend);
  }
  return 0;
}
