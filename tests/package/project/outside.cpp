// Uses a plugin activation in training, saves and loads the model, and predicts from two threads at
// once. Exits 1 with a sentence when something is not as it should be.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <soma/backend.hpp>
#include <soma/dataset.hpp>
#include <soma/model.hpp>
#include <soma/plugins.hpp>
#include <soma/predictor.hpp>
#include <soma/trainer.hpp>
#include <thread>
#include <vector>

namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "outside: %s\n", what);
  std::exit(1);
}

/// The plugin's derivative, which the SDK derived, against the one by hand.
void check_derivative() {
  const soma_activation* f = soma::find_activation_plugin("bent_identity");
  require(f != nullptr, "the plugin was not found");
  std::vector<double> x, ones, got;
  for (double v = -30; v <= 30; v += 0.37) x.push_back(v);
  ones.assign(x.size(), 1.0);
  got.resize(x.size());
  f->backward_f64(x.data(), ones.data(), got.data(), static_cast<std::int64_t>(x.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double by_hand = 1 + 0.5 * x[i] / std::sqrt(x[i] * x[i] + 1);
    require(std::abs(got[i] - by_hand) < 1e-14, "the derived derivative is wrong");
  }
}

soma::Model make_model() {
  soma::Model net({4}, "outside");
  net.add(soma::Dense{.units = 16, .activation = "bent_identity"}, "hidden");
  net.add(soma::Dense{.units = 3}, "out");
  return net;
}

}  // namespace

/// Every plugin was tried out by the installed helper before it was loaded here.
void check_admission() {
  for (const soma::PluginRecord& plugin : soma::list_plugins()) {
    require(plugin.status == soma::PluginStatus::ready, plugin.reason.c_str());
    require(plugin.note.empty(), plugin.note.c_str());
  }
}

int main() {
  check_admission();
  check_derivative();
  const soma::DataSplit iris = soma::data::load("iris");
  std::string first_hash;
  for (const std::string& name : soma::backend_names()) {
    soma::Model net = make_model();
    soma::Trainer trainer(
        net, soma::backend(name, {.numerics = soma::Numerics::exact}),
        {.optimizer = soma::Adam{.learning_rate = 0.02}, .seed = 3, .threads = 2});
    const double before = trainer.evaluate(iris.test).loss;
    trainer.fit(iris.train, {.epochs = 60, .batch = 16});
    const soma::Evaluation after = trainer.evaluate(iris.test);
    require(after.loss < 0.5 * before && after.accuracy > 0.9,
            "training with the plugin did not learn");
    const std::string hash = net.weights_sha256();
    if (first_hash.empty()) first_hash = hash;
    require(hash == first_hash, "the backends trained to different bits");
    std::printf("%-10s accuracy %.3f weights %.12s\n", name.c_str(), after.accuracy, hash.c_str());
    net.save("outside.safetensors");
  }
  require(!first_hash.empty(), "no backend was found");

  const soma::Model loaded = soma::Model::load("outside.safetensors");
  require(loaded.weights_sha256() == first_hash, "saving and loading changed the weights");
  const soma::Predictor predict(loaded, soma::backend("reference"),
                                {.max_batch = 8, .concurrency = 2});
  const std::int64_t n = iris.test.size();
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  std::vector<float> inputs(static_cast<std::size_t>(n * 4));
  iris.test.gather_inputs(rows, inputs.data());
  std::vector<float> one(static_cast<std::size_t>(n * 3)), two(one);
  const auto work = [&](std::vector<float>& to) {
    for (int round = 0; round < 200; ++round) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
        predict.run({inputs.data() + i * 4, 4}, {to.data() + i * 3, 3});
      }
    }
  };
  std::thread a(work, std::ref(one)), b(work, std::ref(two));
  a.join();
  b.join();
  require(one == two, "two threads that share a Predictor got different answers");
  std::puts("two threads, one Predictor: equal answers");
}
