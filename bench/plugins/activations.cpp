#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "figures.hpp"
#include "soma/backend.hpp"
#include "soma/philox.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/ops/activation.hpp"
#include "timing.hpp"

namespace {

constexpr std::int64_t kElements = 1 << 18;
constexpr std::int64_t kGrain = 8192;  // what the framework asks for
constexpr int kRounds = 21;
constexpr double kSeconds = 0.02, kLimit = 1.3;

struct Numbers {
  std::vector<float> x = drawn("x"), g = drawn("g"), y = std::vector<float>(kElements);
  static std::vector<float> drawn(const char* stream) {
    std::vector<float> list(kElements);
    const soma::PhiloxStream numbers(1, stream);
    for (std::size_t i = 0; i < list.size(); ++i) {
      list[i] = 8 * numbers.uniform(0, static_cast<std::uint32_t>(i)) - 4;
    }
    return list;
  }
};

/// The built-in activation as a program runs it.
class BuiltIn {
 public:
  BuiltIn(const soma::Backend& backend, const std::string& name, bool backward, Numbers& numbers)
      : threads_(2), inputs_{numbers.x.data(), numbers.g.data()}, outputs_{numbers.y.data()} {
    const soma::ops::Activation op{name};
    const soma::Shape shape{kElements};
    kernel_ =
        backend.prepare(backward ? op.backward(shape) : op.forward(shape, soma::Purpose::train));
    workspace_.resize(kernel_.info().workspace_bytes + 64);
  }
  void run() { kernel_.execute({inputs_, outputs_, workspace_.data(), nullptr}, threads_); }

 private:
  soma::Kernel kernel_;
  int threads_;
  const void* inputs_[2];
  void* outputs_[1];
  std::vector<std::byte> workspace_;
};

/// The same of a plugin, through the loops of the backend.
class Copy {
 public:
  Copy(const soma::Backend& backend, const std::string& name, bool backward, Numbers& numbers)
      : backend_(backend),
        table_(soma::find_activation_plugin("copy_" + name)),
        backward_(backward),
        numbers_(numbers) {
    if (table_ != nullptr) return;
    std::fprintf(stderr, "the plugin copy_%s is not in %s\n", name.c_str(), COPIES);
    std::exit(1);
  }
  void run() {
    backend_.parallel_for(
        2, kElements, kGrain,
        [](void* self, std::int64_t begin, std::int64_t end) {
          static_cast<Copy*>(self)->piece(begin, end - begin);
        },
        this);
  }

 private:
  void piece(std::int64_t at, std::int64_t n) {
    const float* x = numbers_.x.data() + at;
    float* y = numbers_.y.data() + at;
    backward_ ? table_->backward_f32(x, numbers_.g.data() + at, y, n)
              : table_->forward_f32(x, y, n);
  }

  const soma::Backend& backend_;
  const soma_activation* table_;
  bool backward_;
  Numbers& numbers_;
};

double ratio(const soma::Backend& backend, const std::string& name, bool backward) {
  Numbers numbers;
  BuiltIn built_in(backend, name, backward, numbers);
  Copy copy(backend, name, backward, numbers);
  std::vector<double> ratios;
  for (int round = 0; round < kRounds; ++round) {
    const double own = soma::bench::time(kSeconds, [&] { built_in.run(); }).least;
    ratios.push_back(soma::bench::time(kSeconds, [&] { copy.run(); }).least / own);
  }
  return median(std::move(ratios));
}

}  // namespace

std::vector<Figure> activation_figures() {
  soma::add_plugin_path(COPIES);
  std::vector<Figure> figures;
  for (const char* name : {"tbb", "onednn"}) {
    const std::vector<std::string> ready = soma::backend_names();
    if (std::ranges::find(ready, name) == ready.end()) continue;
    const soma::Backend backend = soma::backend(name);
    for (const char* activation : {"relu", "tanh", "gelu"}) {
      for (const bool backward : {false, true}) {
        figures.push_back({std::string(name) + ", " + activation +
                               (backward ? " backward" : " forward") + ", plugin / built-in",
                           ratio(backend, activation, backward), kLimit, "x"});
      }
    }
  }
  return figures;
}
