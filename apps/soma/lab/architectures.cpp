// S33..S37, S44, S45, S49: layers, their shapes of wiring, and depth.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "experiment.hpp"
#include "plot.hpp"
#include "random.hpp"
#include "soma/dataset.hpp"
#include "soma/error.hpp"
#include "soma/model.hpp"
#include "soma/neuron.hpp"
#include "soma/predictor.hpp"
#include "soma/trainer.hpp"
#include "tasks.hpp"
#include "watch.hpp"

namespace lab {
namespace {

std::vector<float> outputs_of(const Setting& setting, const soma::Model& net,
                              std::span<const float> x, std::int64_t batch) {
  const soma::Predictor predict(net, setting.backend,
                                {.max_batch = batch, .probabilities = false, .concurrency = 1});
  std::vector<float> y(static_cast<std::size_t>(batch * predict.output_size()));
  predict.run(x, y);
  return y;
}

Finding dense_layer(const Setting& setting) {
  Random random(setting.seed, "lab.dense");
  std::int64_t nets = 0, counted = 0, seen = 0, pairs = 0;
  for (int round = 0; round < 20; ++round, ++nets) {
    const std::int64_t n = 1 + random.below(12), m = 1 + random.below(12);
    soma::Model net({n});
    net.add(soma::Dense{.units = m, .bias = !setting.sabotage});
    net.initialize(setting.seed);
    counted += net.parameter_count() == n * m + m;
    const auto x = random.normals(n);
    const auto y = outputs_of(setting, net, x, 1);
    for (std::size_t k = 0; k < x.size(); ++k) {
      auto other = x;
      other[k] += 1;
      const auto moved = outputs_of(setting, net, other, 1);
      for (std::size_t u = 0; u < y.size(); ++u, ++pairs) seen += moved[u] != y[u];
    }
  }
  Finding found;
  found.holds = counted == nets && seen == pairs;
  found.measured =
      text_of(static_cast<double>(counted)) + " of " + text_of(static_cast<double>(nets)) +
      " layers of random size have n * m + m parameters; " + text_of(static_cast<double>(seen)) +
      " of " + text_of(static_cast<double>(pairs)) + " pairs of input and neuron are connected.";
  found.figures = {{"layers", static_cast<double>(nets)},
                   {"counted_right", static_cast<double>(counted)},
                   {"pairs", static_cast<double>(pairs)},
                   {"connected", static_cast<double>(seen)}};
  found.seeds = {setting.seed};
  return found;
}

Finding no_cycles(const Setting& setting) {
  const std::string back = setting.sabotage ? "first" : "third";
  const std::string text =
      R"({"soma_model":1,"name":"loop","input":[4],"layers":[{"type":"dense","name":"first","units":4},{"type":"add","name":"second","inputs":["first",")" +
      back + R"("]},{"type":"dense","name":"third","inputs":["second"],"units":4}]})";
  std::string complaint;
  try {
    soma::Model::from_json(text);
  } catch (const soma::Error& e) {
    complaint = e.what();
  }
  // Forward only: in every built-in net each layer reads what stands before it.
  std::int64_t layers = 0, forward = 0;
  for (const char* name : {"lenet5", "resnet20", "char-gpt"}) {
    const soma::Model net = soma::Model::named(name);
    std::vector<std::string> known;
    for (const auto& input : net.inputs()) known.push_back(input.name);
    for (const auto& layer : net.layers()) {
      ++layers;
      forward += std::ranges::all_of(layer.inputs, [&](const std::string& i) {
        return std::ranges::find(known, i) != known.end();
      });
      known.push_back(layer.name);
    }
  }
  const bool named =
      complaint.find("second") != std::string::npos && complaint.find("third") != std::string::npos;
  Finding found;
  found.holds = named && forward == layers;
  found.measured = "A net whose second layer reads its third was " +
                   (complaint.empty() ? std::string("taken") : "refused: \"" + complaint + "\"") +
                   ". All " + text_of(static_cast<double>(layers)) +
                   " layers of lenet5, resnet20 and char-gpt read only what stands before them.";
  found.figures = {{"refused", complaint.empty() ? 0.0 : 1.0},
                   {"layers", static_cast<double>(layers)},
                   {"forward", static_cast<double>(forward)}};
  return found;
}

struct Learned {
  double accuracy = 0;
  std::int64_t parameters = 0;
};

Learned learn_glyphs(const Setting& setting, soma::Model net, const soma::DataSplit& data,
                     std::int64_t epochs) {
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Adam{.learning_rate = 2e-3},
                         .seed = setting.seed,
                         .threads = setting.threads});
  trainer.fit(data.train.head(setting.quick ? 2500 : 10000), {.epochs = epochs, .batch = 32});
  return {trainer.evaluate(data.test.head(1000)).accuracy, net.parameter_count()};
}

Finding shared_filters(const Setting& setting) {
  const soma::DataSplit data = soma::data::load("glyphs", setting.seed);
  soma::Model conv({28, 28, 1});
  conv.add(soma::Conv2d{.filters = 8, .kernel = 5, .activation = "relu"})
      .add(soma::MaxPool2d{.size = 4})
      .add(soma::Flatten{})
      .add(soma::Dense{.units = 10});
  soma::Model dense({28, 28, 1});
  dense.add(soma::Flatten{})
      .add(soma::Dense{.units = setting.sabotage ? 2 : 64, .activation = "relu"})
      .add(soma::Dense{.units = 10});
  const Learned a = learn_glyphs(setting, std::move(conv), data, 3),
                b = learn_glyphs(setting, std::move(dense), data, 3);
  const double ratio = static_cast<double>(b.parameters) / static_cast<double>(a.parameters);
  Finding found;
  found.holds = a.accuracy >= b.accuracy - 0.01 && ratio > 5;
  found.measured = "On drawn digits a convolutional net with " +
                   text_of(static_cast<double>(a.parameters)) + " parameters had " +
                   text_of(100 * a.accuracy) + " % right, a dense one with " +
                   text_of(static_cast<double>(b.parameters)) + " had " +
                   text_of(100 * b.accuracy) + " %: " + text_of(ratio) + " times the parameters.";
  found.figures = {{"conv_parameters", static_cast<double>(a.parameters)},
                   {"conv_accuracy", a.accuracy},
                   {"dense_parameters", static_cast<double>(b.parameters)},
                   {"dense_accuracy", b.accuracy}};
  found.seeds = {setting.seed};
  return found;
}

Finding equivariance(const Setting& setting) {
  constexpr std::int64_t kSide = 12, kFilters = 4;
  Random random(setting.seed, "lab.shift");
  soma::Model conv({kSide, kSide, 1}), dense({kSide, kSide, 1});
  conv.add(soma::Conv2d{.filters = kFilters, .kernel = 3, .activation = "relu"});
  dense.add(soma::Flatten{}).add(soma::Dense{.units = 100 * kFilters, .activation = "relu"});
  conv.initialize(setting.seed);
  dense.initialize(setting.seed);
  std::int64_t compared = 0, same = 0, same_dense = 0;
  for (int round = 0; round < 10; ++round) {
    // An object in an empty image, and the same one pixel to the right and two down.
    std::vector<float> image(kSide * kSide), moved(kSide * kSide);
    for (std::int64_t r = 3; r < 8; ++r) {
      for (std::int64_t c = 3; c < 8; ++c) {
        const auto v = static_cast<float>(random.normal());
        image[static_cast<std::size_t>(r * kSide + c)] = v;
        moved[static_cast<std::size_t>((r + 2) * kSide + c + 1)] = v;
      }
    }
    const soma::Model& net = setting.sabotage ? dense : conv;
    const auto a = outputs_of(setting, net, image, 1), b = outputs_of(setting, net, moved, 1);
    const auto da = outputs_of(setting, dense, image, 1), db = outputs_of(setting, dense, moved, 1);
    constexpr std::int64_t kOut = kSide - 2;
    for (std::int64_t r = 0; r + 2 < kOut; ++r) {
      for (std::int64_t c = 0; c + 1 < kOut; ++c) {
        for (std::int64_t f = 0; f < kFilters; ++f, ++compared) {
          const auto from = static_cast<std::size_t>((r * kOut + c) * kFilters + f),
                     to = static_cast<std::size_t>(((r + 2) * kOut + c + 1) * kFilters + f);
          same += std::bit_cast<std::uint32_t>(a[from]) == std::bit_cast<std::uint32_t>(b[to]);
          same_dense +=
              std::bit_cast<std::uint32_t>(da[from]) == std::bit_cast<std::uint32_t>(db[to]);
        }
      }
    }
  }
  Finding found;
  found.holds = same == compared && same_dense < compared;
  found.measured = "An object moved by (2, 1) pixels moved the feature maps by as much: " +
                   text_of(static_cast<double>(same)) + " of " +
                   text_of(static_cast<double>(compared)) +
                   " values with the same bits; in a dense layer " +
                   text_of(static_cast<double>(same_dense)) + ".";
  found.figures = {{"compared", static_cast<double>(compared)},
                   {"same_bits_conv", static_cast<double>(same)},
                   {"same_bits_dense", static_cast<double>(same_dense)}};
  found.seeds = {setting.seed};
  return found;
}

Finding feature_maps(const Setting& setting) {
  const soma::DataSplit data = soma::data::load("glyphs", setting.seed);
  constexpr std::int64_t kFilters = 4;
  soma::Model net({28, 28, 1});
  net.add(soma::Conv2d{.filters = kFilters, .kernel = 5, .activation = "relu"}, "conv")
      .add(soma::MaxPool2d{.size = 4})
      .add(soma::Flatten{})
      .add(soma::Dense{.units = 10}, "out");
  soma::Trainer trainer(net, setting.backend,
                        {.optimizer = soma::Adam{.learning_rate = 2e-3},
                         .seed = setting.seed,
                         .threads = setting.threads});
  trainer.fit(data.train.head(1000), {.epochs = 2, .batch = 32});
  std::vector<float> image(28 * 28);
  const std::array<std::int64_t, 1> row{3};
  data.test.gather_inputs(row, image.data());
  Finding found;
  std::vector<double> picture(image.begin(), image.end());
  found.picture = heat_map("A digit", 28, 28, picture, {}, {});
  double worst = 0, closest = 0;
  std::vector<std::vector<float>> maps;
  for (std::int64_t f = 0; f < kFilters; ++f) {
    const auto view = net.layer("conv").neuron(f);
    const auto response = view.respond(image);
    maps.push_back(response.activations);
    // The same by hand: one filter, slid over the image.
    const auto w = view.weights();
    for (std::int64_t r = 0; r < 24; ++r) {
      for (std::int64_t c = 0; c < 24; ++c) {
        double z = view.bias();
        for (std::int64_t i = 0; i < 5; ++i) {
          for (std::int64_t j = 0; j < 5; ++j)
            z += double{w[static_cast<std::size_t>(i * 5 + j)]} *
                 image[static_cast<std::size_t>((r + i) * 28 + c + j + (setting.sabotage ? 0 : 0))];
        }
        if (setting.sabotage) z += 0.01;
        worst =
            std::max(worst, std::abs(std::max(z, 0.0) -
                                     response.activations[static_cast<std::size_t>(r * 24 + c)]));
      }
    }
    found.picture += heat_map("What filter " + std::to_string(f) + " makes of it", 24, 24,
                              {response.activations.begin(), response.activations.end()}, {}, {});
  }
  for (std::size_t a = 0; a < maps.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      double dot = 0;
      for (std::size_t k = 0; k < maps[a].size(); ++k) dot += double{maps[a][k]} * maps[b][k];
      if (norm(maps[a]) > 0 && norm(maps[b]) > 0)
        closest = std::max(closest, dot / (norm(maps[a]) * norm(maps[b])));
    }
  }
  found.holds = worst < 1e-5 && closest < 0.999;
  found.measured =
      "Four filters of a trained net gave maps of 24 x 24 that a filter slid by hand gives too "
      "(within " +
      text_of(worst) + "), and no two are alike (largest cosine " + text_of(closest) + ").";
  found.figures = {{"largest_error", worst}, {"largest_cosine", closest}};
  found.seeds = {setting.seed};
  return found;
}

Finding embedding(const Setting& setting) {
  constexpr std::int64_t kWords = 11, kWidth = 6;
  soma::Model table({3}, "table", soma::DType::i32), matrix({3, kWords});
  table.add(soma::Embedding{.vocab = kWords, .units = kWidth}, "embed");
  matrix.add(soma::Dense{.units = kWidth, .bias = false, .last_axis = true}, "dense");
  table.initialize(setting.seed);
  matrix.initialize(setting.seed);
  const auto rows = table.parameters()[0].value.as<float>();
  auto w = matrix.parameter("dense.weight").value.as<float>();
  for (std::size_t i = 0; i < kWords; ++i) {
    for (std::size_t d = 0; d < kWidth; ++d) w[d * kWords + i] = rows[i * kWidth + d];
  }
  const std::array<std::int32_t, 3> tokens{7, 0, 10};
  std::vector<float> one_hot(3 * kWords);
  for (std::size_t i = 0; i < 3; ++i)
    one_hot[i * kWords + static_cast<std::size_t>(tokens[i]) -
            (setting.sabotage && i == 0 ? 1 : 0)] = 1;
  const soma::Predictor predict(table, setting.backend, {.probabilities = false, .concurrency = 1});
  std::vector<float> a(3 * kWidth);
  predict.run(std::span<const std::int32_t>(tokens), a);
  const auto b = outputs_of(setting, matrix, one_hot, 1);
  std::int64_t same = 0;
  for (std::size_t k = 0; k < a.size(); ++k) same += a[k] == b[k];
  Finding found;
  found.holds = same == std::ssize(a);
  found.measured =
      "An embedding of three of eleven tokens equals a dense layer on their one-hot vectors in " +
      text_of(static_cast<double>(same)) + " of " + text_of(static_cast<double>(a.size())) +
      " numbers: the table's rows are the weights of the first layer.";
  found.figures = {{"numbers", static_cast<double>(a.size())}, {"same", static_cast<double>(same)}};
  found.seeds = {setting.seed};
  return found;
}

soma::Model deep_net(int depth, bool skip) {
  soma::Model net({8});
  net.add(soma::Dense{.units = 16}, "in");
  std::string last = "in";
  for (int i = 0; i < depth; ++i) {
    const std::string n = std::to_string(i);
    net.add(soma::LayerNorm{}, "norm" + n, {last})
        .add(soma::Dense{.units = 16, .activation = "tanh"}, "fc" + n);
    last = "fc" + n;
    if (skip) {
      net.add(soma::Add{}, "add" + n, {i == 0 ? "in" : "add" + std::to_string(i - 1), "fc" + n});
      last = "add" + n;
    }
  }
  net.add(soma::Dense{.units = 1}, "out", {last})
      .set_loss(soma::Loss::binary_cross_entropy_with_logits);
  return net;
}

Finding skips(const Setting& setting) {
  constexpr int kDepth = 100;
  const Task task = curved_classes(setting.seed, 128, 8);
  struct Result {
    double ratio = 0, first_loss = 0, last_loss = 0;
    Points by_layer;
  };
  const auto run = [&](bool skip) {
    soma::Model net = deep_net(kDepth, skip);
    net.initialize(setting.seed);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 1e-3}, .seed = setting.seed, .threads = 1});
    Result result;
    Watch watch = gradients();
    result.first_loss = watched_step(trainer, watch, task.x, task.targets);
    for (int i = 0; i < kDepth; ++i)
      result.by_layer.emplace_back(
          i + 1, norm(watch.of("gradient of fc" + std::to_string(i) + ".weight")));
    result.ratio = result.by_layer.front().second / result.by_layer.back().second;
    for (int step = 0; step < (setting.quick ? 100 : 400); ++step)
      result.last_loss = trainer.step(task.x, task.targets);
    return result;
  };
  const Result plain = run(false), residual = run(!setting.sabotage);
  Finding found;
  const auto fair = [](double ratio) { return ratio > 1e-2 && ratio < 1e2; };
  found.holds = fair(residual.ratio) && residual.last_loss < 0.5 * plain.last_loss;
  found.measured = "In 100 layers the first layer's gradient is " + text_of(residual.ratio) +
                   " of the last one's with skip connections and " + text_of(plain.ratio) +
                   " without; after " + (setting.quick ? "100" : "400") + " updates the loss is " +
                   text_of(residual.last_loss) + " with and " + text_of(plain.last_loss) +
                   " without.";
  found.figures = {{"gradient_ratio_residual", residual.ratio},
                   {"gradient_ratio_plain", plain.ratio},
                   {"loss_residual", residual.last_loss},
                   {"loss_plain", plain.last_loss}};
  found.seeds = {setting.seed};
  found.picture = Plot("Gradients in 100 layers", "layer", "length of the gradient")
                      .log_y()
                      .line("with skips", residual.by_layer)
                      .line("plain", plain.by_layer)
                      .svg();
  return found;
}

Finding capacity(const Setting& setting) {
  // Noise is the purest test of capacity: how many random answers can be learned by heart?
  constexpr std::int64_t kInputs = 8;
  Random random(setting.seed, "lab.capacity");
  const std::int64_t samples = 256;
  const auto x = random.normals(samples * kInputs);
  std::vector<float> t(static_cast<std::size_t>(samples));
  for (float& v : t) v = random.uniform() < 0.5 ? 0.0f : 1.0f;
  Points wide;
  for (const std::int64_t width : {1, 2, 4, 8, 16, 32, 64}) {
    soma::Model net({kInputs});
    net.add(soma::Dense{.units = setting.sabotage ? 4 : width, .activation = "tanh"})
        .add(soma::Dense{.units = 1})
        .set_loss(soma::Loss::binary_cross_entropy_with_logits);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 0.02}, .seed = setting.seed, .threads = 1});
    for (int step = 0; step < (setting.quick ? 800 : 3000); ++step) trainer.step(x, t);
    const auto y = outputs_of(setting, net, x, samples);
    double right = 0;
    for (std::size_t i = 0; i < y.size(); ++i) right += (y[i] > 0) == (t[i] > 0.5f);
    wide.emplace_back(static_cast<double>(width), right / static_cast<double>(samples));
  }
  // Depth against width at about the same number of multiply-adds.
  const Task task = curved_classes(setting.seed, 512, kInputs);
  Points deep;
  std::string shapes;
  for (const auto& [depth, width] :
       {std::pair<int, std::int64_t>{1, 128}, {2, 30}, {4, 18}, {8, 12}}) {
    soma::Model net({kInputs});
    for (int i = 0; i < depth; ++i) net.add(soma::Dense{.units = width, .activation = "tanh"});
    net.add(soma::Dense{.units = 1}).set_loss(soma::Loss::binary_cross_entropy_with_logits);
    soma::Trainer trainer(
        net, setting.backend,
        {.optimizer = soma::Adam{.learning_rate = 0.01}, .seed = setting.seed, .threads = 1});
    double loss = 0;
    for (int step = 0; step < (setting.quick ? 200 : 600); ++step)
      loss = trainer.step(task.x, task.targets);
    deep.emplace_back(depth, loss);
    shapes += (shapes.empty() ? "" : ", ") + std::to_string(depth) + " x " + std::to_string(width) +
              ": " + text_of(loss);
  }
  Finding found;
  bool rises = true;
  for (std::size_t i = 2; i < wide.size(); ++i) rises &= wide[i].second >= wide[i - 2].second;
  found.holds = rises && wide.back().second > 0.95 && wide.front().second < 0.75;
  found.measured = "Of 256 random answers a net learned " + text_of(100 * wide.front().second) +
                   " % by heart with one hidden neuron and " + text_of(100 * wide.back().second) +
                   " % with 64. Loss at about 1,100 multiply-adds, layers x neurons: " + shapes +
                   ".";
  found.figures = {{"learned_by_1", wide.front().second}, {"learned_by_64", wide.back().second}};
  found.seeds = {setting.seed};
  found.picture = Plot("Random answers learned by heart", "hidden neurons", "share")
                      .log_x()
                      .line("", wide)
                      .dots("", wide)
                      .svg() +
                  Plot("Depth against width at equal cost", "hidden layers", "loss")
                      .log_y()
                      .line("", deep)
                      .dots("", deep)
                      .svg();
  return found;
}

constexpr Experiment kExperiments[] = {
    {"dense_layer", "S33", "Every neuron sees every input",
     "A dense layer of m neurons on n inputs has n m + m parameters, and every neuron sees every "
     "input.",
     "Parameters counted, and each input moved by 1 to see which outputs change, on random sizes.",
     "leaves the biases out", dense_layer},
    {"no_cycles", "S34", "Forward only", "A feed-forward net has no cycles: data flow one way.",
     "A model file with a cycle must be refused and the layers named; the wiring of three built-in "
     "nets.",
     "gives a model without a cycle", no_cycles},
    {"shared_filters", "S35", "Shared filters, few parameters",
     "Convolutions share small filters and need far fewer parameters than dense layers for the "
     "same answers.",
     "A convolutional and a dense net on the digits `glyphs`: parameters and right answers.",
     "gives the dense net two hidden neurons", shared_filters},
    {"equivariance", "S36", "Wherever it is",
     "A convolution detects a feature regardless of its position.",
     "The feature maps of a moved object against the moved feature maps, bit by bit; a dense layer "
     "beside it.",
     "puts the dense layer in the place of the convolution", equivariance},
    {"feature_maps", "S37", "Feature maps",
     "Each filter turns an image into a map of where its feature is.",
     "The maps of four filters of a trained net against filters slid by hand; cosines between the "
     "maps.",
     "adds 0.01 in the computation by hand", feature_maps},
    {"embedding", "S44", "Where numbers come in",
     "Embeddings and raw pixels are the inputs of the first layer; an embedding is a dense layer "
     "on one-hot vectors.",
     "An embedding's rows copied into a dense layer: outputs compared.",
     "gives one token the vector of its neighbour", embedding},
    {"skip_connections", "S45", "A hundred layers",
     "Skip connections let gradients through very deep nets and make them learn.",
     "100 layers with and without skips: gradient of the first against the last layer, and the "
     "loss after some updates. He et al., arXiv:1512.03385.",
     "leaves the skips out", skips},
    {"capacity", "S49", "More neurons, more capacity",
     "A net's capacity grows with its neurons; width and depth must be balanced against cost.",
     "Random answers learned by heart by 1 to 64 hidden neurons; depth against width at about "
     "equal multiply-adds.",
     "gives every net four neurons", capacity},
};

}  // namespace

std::span<const Experiment> architecture_experiments() { return kExperiments; }

}  // namespace lab
