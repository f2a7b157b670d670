#include "small_task.hpp"

#include <cstdint>

namespace {

constexpr int kSide = 28;

void append_big_endian(std::string& text, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xFF);
}

/// Horizontal or vertical bars at a random place, in noise.
void write_idx(const std::filesystem::path& folder, const std::string& part, std::uint32_t count,
               std::uint32_t state) {
  const auto draw = [&state](std::uint32_t bound) {
    state = state * 1664525u + 1013904223u;  // the constants of Numerical Recipes' generator
    return (state >> 8) % bound;
  };
  std::string images, labels;
  append_big_endian(images, 0x803);
  append_big_endian(images, count);
  append_big_endian(images, kSide);
  append_big_endian(images, kSide);
  append_big_endian(labels, 0x801);
  append_big_endian(labels, count);
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint32_t label = i % 2, place = 4 + draw(20);
    labels += static_cast<char>(label);
    for (std::uint32_t y = 0; y < kSide; ++y) {
      for (std::uint32_t x = 0; x < kSide; ++x) {
        const std::uint32_t across = label == 0 ? y : x;
        const bool bar = across >= place && across < place + 3;
        images += static_cast<char>(draw(120) + (bar ? 100 : 0));
      }
    }
  }
  write_text(folder / (part + "-images-idx3-ubyte"), images);
  write_text(folder / (part + "-labels-idx1-ubyte"), labels);
}

constexpr const char* kModel = R"({"soma_model": 1, "name": "small", "input": [28, 28, 1],
 "loss": "softmax_cross_entropy",
 "layers": [
  {"type": "conv2d", "filters": 5, "kernel": 5, "stride": 2, "activation": "relu"},
  {"type": "max_pool2d", "size": 2},
  {"type": "dense", "units": 17, "activation": "tanh"},
  {"type": "dense", "units": 2}
 ]}
)";

}  // namespace

SmallTask::SmallTask() {
  const auto data = folder_.path() / "bars";
  std::filesystem::create_directory(data);
  write_idx(data, "train", 320, 1);
  write_idx(data, "t10k", 100, 2);
  write_text(folder_.path() / "small.json", kModel);
}

Words SmallTask::train(const std::string& run, const Words& more) const {
  Words words = {"train", "small.json", "--data", "idx:bars", "--batch",
                 "16",    "--out",      run,      "--json"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

Words SmallTask::resume(const std::string& run, const Words& more) const {
  Words words = {"train", "--resume", run, "--json"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}
