// Trains a small convolutional network on digits, saves it, loads it and predicts from two threads.
// digits [--quick] [DATA [BACKEND]]
#include <cstdint>
#include <cstdio>
#include <exception>
#include <soma/backend.hpp>
#include <soma/dataset.hpp>
#include <soma/model.hpp>
#include <soma/predictor.hpp>
#include <soma/trainer.hpp>
#include <string>
#include <thread>
#include <vector>

int main(int argc, char** argv) try {
  std::vector<std::string> args(argv + 1, argv + argc);
  const bool quick = std::erase(args, "--quick") > 0;
  const soma::Backend backend = soma::backend(args.size() > 1 ? args[1] : "auto");
  const soma::DataSplit data = soma::data::load(args.empty() ? "glyphs" : args[0]);
  const soma::Dataset train = data.train.head(quick ? 2000 : data.train.size());

  soma::Model net({28, 28, 1}, "digits");
  net.add(soma::Conv2d{
      .filters = 16, .kernel = 5, .padding = soma::Padding::same, .activation = "relu"});
  net.add(soma::MaxPool2d{.size = 4}).add(soma::Flatten{}).add(soma::Dense{.units = 10});

  soma::Trainer trainer(net, backend, {.optimizer = soma::Adam{.learning_rate = 2e-3}});
  trainer.fit(train, {.epochs = 2, .batch = 32, .on_step = soma::progress_bar()});
  std::printf("test accuracy %.2f %%\n", 100 * trainer.evaluate(data.test).accuracy);
  net.save("digits.safetensors");

  // One predictor serves any number of threads: run() neither allocates nor locks.
  const soma::Predictor predict(soma::Model::load("digits.safetensors"), backend,
                                {.max_batch = 1, .concurrency = 2});
  const std::int64_t count = 200;
  std::vector<std::int32_t> said(count);
  const auto worker = [&](std::int64_t first) {
    std::vector<float> image(static_cast<std::size_t>(predict.input_size())), scores(10);
    for (std::int64_t i = first; i < count; i += 2) {
      data.test.gather_inputs({&i, 1}, image.data());
      predict.run(image, scores);
      for (std::size_t k = 1; k < scores.size(); ++k) {
        auto& best = said[static_cast<std::size_t>(i)];
        if (scores[k] > scores[static_cast<std::size_t>(best)]) best = static_cast<int>(k);
      }
    }
  };
  std::thread even(worker, 0), odd(worker, 1);
  even.join();
  odd.join();
  std::printf("the first test images show %d %d %d %d %d\n", said[0], said[1], said[2], said[3],
              said[4]);
  return 0;
} catch (const std::exception& e) {
  std::fprintf(stderr, "digits: %s\n", e.what());
  return 1;
}
