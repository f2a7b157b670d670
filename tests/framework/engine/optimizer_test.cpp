#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <functional>

#include "soma/error.hpp"
#include "soma/philox.hpp"
#include "soma/trainer.hpp"

namespace soma {
namespace {

Backend exact(const std::string& name) { return backend(name, {.numerics = Numerics::exact}); }

constexpr std::size_t kInputs = 4, kOutputs = 3, kBatch = 5;

struct Batch {
  std::vector<float> inputs, targets;
};

/// Noisy samples of a linear function: gradients that never vanish.
Batch make_batch(std::uint32_t step) {
  const PhiloxStream numbers(5, "optimizer_test");
  Batch batch;
  for (std::uint32_t i = 0; i < kBatch * kInputs; ++i) {
    batch.inputs.push_back(2 * numbers.uniform(step, i) - 1);
  }
  for (std::uint32_t i = 0; i < kBatch * kOutputs; ++i) {
    const float x = batch.inputs[i / kOutputs * kInputs + i % kOutputs];
    batch.targets.push_back(0.5f * x + numbers.uniform(step, 1000 + i) - 0.3f);
  }
  return batch;
}

Model linear() {
  Model net({kInputs}, "linear");
  net.add(Dense{.units = kOutputs, .bias = false, .init = Init::uniform(-1, 1)}, "out");
  return std::move(net.set_loss(Loss::mean_squared_error));
}

/// The same training in float64, written from the papers. `state`: three numbers per weight.
using Update = std::function<void(double t, double g, double& w, double* state)>;

std::vector<double> train_f64(std::vector<double> w, const Update& update, int steps) {
  std::vector<double> state(3 * w.size());
  for (int step = 0; step < steps; ++step) {
    const Batch batch = make_batch(static_cast<std::uint32_t>(step));
    std::vector<double> gradient(w.size());
    for (std::size_t n = 0; n < kBatch; ++n) {
      for (std::size_t o = 0; o < kOutputs; ++o) {
        double y = 0;
        for (std::size_t i = 0; i < kInputs; ++i) {
          y += w[o * kInputs + i] * double{batch.inputs[n * kInputs + i]};
        }
        const double d = (y - double{batch.targets[n * kOutputs + o]}) * 2 / (kBatch * kOutputs);
        for (std::size_t i = 0; i < kInputs; ++i) {
          gradient[o * kInputs + i] += d * double{batch.inputs[n * kInputs + i]};
        }
      }
    }
    for (std::size_t i = 0; i < w.size(); ++i) {
      update(step + 1, gradient[i], w[i], state.data() + 3 * i);
    }
  }
  return w;
}

struct Comparison {
  Optimizer optimizer;
  Update update;
  double tolerance = 2e-5;
};

double adam_step(double t, double g, double* s, double beta1, double beta2) {
  s[0] = beta1 * s[0] + (1 - beta1) * g;
  s[1] = beta2 * s[1] + (1 - beta2) * g * g;
  return s[0] / (1 - std::pow(beta1, t)) / (std::sqrt(s[1] / (1 - std::pow(beta2, t))) + 1e-8);
}

std::vector<Comparison> comparisons() {
  std::vector<Comparison> list;
  list.push_back(
      {Sgd{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
       [](double, double g, double& w, double* s) {
         g += 0.01 * w;
         s[0] = 0.9 * s[0] + g;
         w -= 0.05 * (g + 0.9 * s[0]);
       }});
  list.push_back({Adagrad{.learning_rate = 0.1}, [](double, double g, double& w, double* s) {
                    s[0] += g * g;
                    w -= 0.1 * g / (std::sqrt(s[0]) + 1e-10);
                  }});
  list.push_back({Rmsprop{.learning_rate = 0.01}, [](double, double g, double& w, double* s) {
                    s[0] = 0.99 * s[0] + 0.01 * g * g;
                    w -= 0.01 * g / (std::sqrt(s[0]) + 1e-8);
                  }});
  list.push_back({Rmsprop{.learning_rate = 0.005, .momentum = 0.5, .centered = true},
                  [](double, double g, double& w, double* s) {
                    s[0] = 0.99 * s[0] + 0.01 * g * g;
                    s[1] = 0.99 * s[1] + 0.01 * g;
                    s[2] = 0.5 * s[2] + g / (std::sqrt(s[0] - s[1] * s[1]) + 1e-8);
                    w -= 0.005 * s[2];
                  }});
  list.push_back({Adadelta{}, [](double, double g, double& w, double* s) {
                    s[0] = 0.9 * s[0] + 0.1 * g * g;
                    const double d = std::sqrt(s[1] + 1e-6) / std::sqrt(s[0] + 1e-6) * g;
                    s[1] = 0.9 * s[1] + 0.1 * d * d;
                    w -= d;
                  }});
  list.push_back({Adam{.learning_rate = 0.01}, [](double t, double g, double& w, double* s) {
                    w -= 0.01 * adam_step(t, g, s, 0.9, 0.999);
                  }});
  list.push_back({AdamW{.learning_rate = 0.01, .weight_decay = 0.1},
                  [](double t, double g, double& w, double* s) {
                    w -= 0.01 * 0.1 * w;
                    w -= 0.01 * adam_step(t, g, s, 0.9, 0.999);
                  }});
  list.push_back({Nadam{.learning_rate = 0.01}, [](double t, double g, double& w, double* s) {
                    const auto mu = [](double k) {
                      return 0.9 * (1 - 0.5 * std::pow(0.96, k * 0.004));
                    };
                    s[2] = (t == 1 ? 1 : s[2]) * mu(t);
                    s[0] = 0.9 * s[0] + 0.1 * g;
                    s[1] = 0.999 * s[1] + 0.001 * g * g;
                    const double root = std::sqrt(s[1] / (1 - std::pow(0.999, t))) + 1e-8;
                    w -= 0.01 * (1 - mu(t)) / (1 - s[2]) * g / root;
                    w -= 0.01 * mu(t + 1) / (1 - s[2] * mu(t + 1)) * s[0] / root;
                  }});
  // Steps of one size: a sign that rounding turns is worth two of them.
  list.push_back({Lion{.learning_rate = 0.001, .weight_decay = 0.1},
                  [](double, double g, double& w, double* s) {
                    const double c = 0.9 * s[0] + 0.1 * g;
                    s[0] = 0.99 * s[0] + 0.01 * g;
                    w = w * (1 - 0.001 * 0.1) - 0.001 * (c > 0 ? 1 : c < 0 ? -1 : 0);
                  },
                  0.004});
  return list;
}

TEST(Optimizers, FollowFloat64OverAThousandSteps) {
  for (const Comparison& c : comparisons()) {
    Model net = linear();
    net.initialize(2);
    const auto start = net.parameter("out.weight").value.as<float>();
    const auto expected = train_f64({start.begin(), start.end()}, c.update, 1000);
    Trainer trainer(net, exact("tbb"), {.optimizer = c.optimizer, .threads = 1});
    for (std::uint32_t step = 0; step < 1000; ++step) {
      const Batch batch = make_batch(step);
      trainer.step(batch.inputs, batch.targets);
    }
    const auto got = net.parameter("out.weight").value.as<float>();
    for (std::size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(double{got[i]}, expected[i], c.tolerance) << c.optimizer.type << " weight " << i;
    }
  }
}

TEST(Optimizers, AreFoundByName) {
  for (const std::string& name : optimizer_names()) {
    EXPECT_EQ(optimizer_from_name(name).type, name);
    Model net = linear();
    Trainer trainer(net, exact("reference"), {.optimizer = optimizer_from_name(name)});
    const Batch batch = make_batch(0);
    EXPECT_TRUE(std::isfinite(trainer.step(batch.inputs, batch.targets)));
  }
  EXPECT_THROW(optimizer_from_name("adma"), StateError);
}

TEST(Optimizers, ResumeWithTheSameBits) {
  const auto file = std::filesystem::path(testing::TempDir()) / "optimizers.safetensors";
  for (const std::string& name : optimizer_names()) {
    const TrainerOptions options{.optimizer = optimizer_from_name(name), .threads = 1};
    Model whole = linear(), first = linear(), second = linear();
    const auto run = [](Trainer& trainer, std::uint32_t from, std::uint32_t to) {
      for (; from < to; ++from) {
        const Batch batch = make_batch(from);
        trainer.step(batch.inputs, batch.targets);
      }
    };
    Trainer uninterrupted(whole, exact("reference"), options);
    run(uninterrupted, 0, 9);
    Trainer before(first, exact("reference"), options);
    run(before, 0, 4);
    before.save_checkpoint(file);
    Trainer after(second, exact("reference"), options);
    after.load_checkpoint(file);
    run(after, 4, 9);
    EXPECT_EQ(second.weights_sha256(), whole.weights_sha256()) << name;
  }
}

/// The weights after one step of plain descent at rate 1, and before it.
struct Step {
  std::vector<float> before, after;
};
Step one_step(const Regularization& regularization, const std::string& name = "reference") {
  Model net = linear();
  net.initialize(2);
  const auto weight = net.parameter("out.weight").value.as<float>();
  Step step{{weight.begin(), weight.end()}, {}};
  Trainer trainer(net, exact(name),
                  {.optimizer = Sgd{.learning_rate = 1}, .regularization = regularization});
  const Batch batch = make_batch(0);
  trainer.step(batch.inputs, batch.targets);
  step.after.assign(weight.begin(), weight.end());
  return step;
}

TEST(Regularization, AddsPenaltiesAndClips) {
  const Step plain = one_step({});
  double squares = 0;
  std::vector<double> gradient;
  for (std::size_t i = 0; i < plain.before.size(); ++i) {
    gradient.push_back(double{plain.before[i]} - double{plain.after[i]});
    squares += gradient[i] * gradient[i];
  }
  const double norm = std::sqrt(squares);
  const auto check = [&](const Regularization& r, auto expected) {
    const Step step = one_step(r);
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      EXPECT_NEAR(double{step.before[i]} - double{step.after[i]},
                  expected(gradient[i], double{step.before[i]}), 1e-6);
    }
    for (const std::string& name : backend_names()) EXPECT_EQ(one_step(r, name).after, step.after);
  };
  check({.l1 = 0.25}, [](double g, double w) { return g + std::copysign(0.25, w); });
  check({.l2 = 0.5}, [](double g, double w) { return g + 0.5 * w; });
  check({.clip_value = 0.05}, [](double g, double) { return std::clamp(g, -0.05, 0.05); });
  check({.clip_norm = norm / 2}, [](double g, double) { return g / 2; });
  check({.clip_norm = norm * 2}, [](double g, double) { return g; });
  check({.l1 = 0.01, .clip_value = 0.1, .clip_norm = 100},
        [](double g, double w) { return std::clamp(g + std::copysign(0.01, w), -0.1, 0.1); });
  const Step limited = one_step({.max_norm = 0.5});
  for (std::size_t unit = 0; unit < kOutputs; ++unit) {
    double length = 0;
    for (std::size_t i = 0; i < kInputs; ++i) {
      length += std::pow(double{limited.after[unit * kInputs + i]}, 2);
    }
    EXPECT_LE(std::sqrt(length), 0.5 + 1e-6);
  }
}

}  // namespace
}  // namespace soma
