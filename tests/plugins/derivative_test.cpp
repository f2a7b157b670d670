// The float64 functions of the shipped plugins against central differences of themselves, and their
// float32 functions against the float64 ones.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "soma/philox.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/op.hpp"

namespace soma {
namespace {

using Doubles = std::vector<double>;

/// Numbers in (-range, range).
Doubles drawn(std::size_t n, double range, const char* stream) {
  Doubles x(n);
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = range * (2.0 * PhiloxStream(7, stream).uniform(0, static_cast<std::uint32_t>(i)) - 1);
  }
  return x;
}

std::vector<float> rounded(const Doubles& x) { return {x.begin(), x.end()}; }

/// Derivative of f at x[i], by four points.
template <class F>
double slope(Doubles x, std::size_t i, F f) {
  constexpr double h = 1e-3;
  const double at = x[i];
  const auto value = [&](double offset) {
    x[i] = at + offset;
    return f(x);
  };
  return (8 * (value(h) - value(-h)) - (value(2 * h) - value(-2 * h))) / (12 * h);
}

void expect_near(double got, double expected, double share, double scale, const std::string& what) {
  EXPECT_NEAR(got, expected, share * std::max(scale, std::fabs(expected))) << what;
}

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(PluginDerivatives, OfActivationsAreThoseOfTheirValues) {
  for (const char* name : {"gaussian", "squareplus", "snake"}) {
    SCOPED_TRACE(name);
    const soma_activation* a = find_activation_plugin(name);
    ASSERT_NE(a, nullptr) << name;
    const Doubles x = drawn(200, 4, "x"), g = drawn(200, 1, "g");
    const auto xf = rounded(x), gf = rounded(g);
    Doubles y(200), d(200);
    std::vector<float> yf(200), df(200);
    a->forward_f32(xf.data(), yf.data(), 200);
    a->backward_f32(xf.data(), gf.data(), df.data(), 200);
    for (std::size_t i = 0; i < 200; ++i) {
      const double xi = xf[i], gi = gf[i];
      a->forward_f64(&xi, &y[i], 1);
      a->backward_f64(&xi, &gi, &d[i], 1);
      const auto f = [&](const Doubles& at) {
        double value;
        a->forward_f64(at.data(), &value, 1);
        return value;
      };
      expect_near(d[i], gi * slope({xi}, 0, f), 1e-8, 1, name);
      expect_near(yf[i], y[i], 1e-6, 1e-3, name);
      expect_near(df[i], d[i], 1e-6, 1e-1, name);
    }
  }
}

TEST(PluginDerivatives, OfLearnableNumbersAreThoseOfTheValues) {
  const soma_activation* a = find_activation_plugin("learnable_swish");
  ASSERT_NE(a, nullptr);
  ASSERT_EQ(a->parameter_count, 1);
  EXPECT_STREQ(a->parameters[0].name, "beta");
  for (const double beta : {1.0, 0.3, -2.0, 0.0}) {
    for (const double x : drawn(100, 6, "x")) {
      const auto f = [&](const Doubles& at) {
        double y;
        a->forward_with_f64(&at[1], &at[0], &y, 1);
        return y;
      };
      const double one = 1;
      double dx, dbeta;
      a->backward_with_f64(&beta, &x, &one, &dx, 1);
      a->terms_f64(&beta, 0, &x, &one, &dbeta, 1);
      expect_near(dx, slope({x, beta}, 0, f), 1e-8, 1, "by x");
      expect_near(dbeta, slope({x, beta}, 1, f), 1e-8, 1, "by beta");
    }
  }
}

TEST(PluginDerivatives, HaveTheirLimitsAtInfinity) {
  const float x[3] = {-kInfinity, kInfinity, std::nanf("")}, ones[3] = {1, 1, 1}, beta = 1;
  float y[3], d[3];
  const soma_activation* gaussian = find_activation_plugin("gaussian");
  gaussian->forward_f32(x, y, 3);
  gaussian->backward_f32(x, ones, d, 3);
  EXPECT_TRUE(y[0] == 0 && y[1] == 0 && std::isnan(y[2]) && d[0] == 0 && d[1] == 0);
  const soma_activation* squareplus = find_activation_plugin("squareplus");
  squareplus->forward_f32(x, y, 3);
  squareplus->backward_f32(x, ones, d, 3);
  EXPECT_TRUE(y[0] == 0 && y[1] == kInfinity && std::isnan(y[2]) && d[0] == 0 && d[1] == 1);
  const soma_activation* swish = find_activation_plugin("learnable_swish");
  swish->forward_with_f32(&beta, x, y, 3);
  swish->backward_with_f32(&beta, x, ones, d, 3);
  EXPECT_TRUE(y[0] == 0 && y[1] == kInfinity && std::isnan(y[2]) && d[0] == 0 && d[1] == 1);
}

TEST(PluginDerivatives, OfTheFocalLossAreThoseOfItsValue) {
  const soma_loss* focal = find_loss_plugin("focal");
  ASSERT_NE(focal, nullptr);
  const std::int32_t targets[3] = {4, 0, 2};
  for (const double gamma : {0.0, 0.5, 1.0, 2.0, 5.0}) {
    const soma_attribute option{"gamma", SOMA_REAL, 0, 0, gamma, nullptr};
    const Doubles z = drawn(15, 3, "z");
    Doubles values(3), gradient(15);
    focal->gradient_f64(&option, z.data(), targets, 3, 5, 0.7, gradient.data());
    for (std::size_t i = 0; i < 15; ++i) {
      const auto f = [&](const Doubles& at) {
        focal->value_f64(&option, at.data(), targets, 3, 5, values.data());
        return values[0] + values[1] + values[2];
      };
      expect_near(gradient[i], 0.7 * slope(z, i, f), 1e-8, 1, "gamma " + std::to_string(gamma));
    }
    // A sure answer costs nothing and pulls at nothing, a wrong one costs its distance.
    const float sure[2] = {200, -200};
    const std::int32_t right = 0, wrong = 1;
    float value, d[2];
    focal->value_f32(&option, sure, &right, 1, 2, &value);
    focal->gradient_f32(&option, sure, &right, 1, 2, 1, d);
    EXPECT_TRUE(value == 0 && d[0] == 0 && d[1] == 0) << gamma;
    focal->value_f32(&option, sure, &wrong, 1, 2, &value);
    focal->gradient_f32(&option, sure, &wrong, 1, 2, 1, d);
    EXPECT_TRUE(value == 400 && d[0] == 1 && d[1] == -1) << gamma;
  }
}

/// A layer on float64 tensors, on this thread.
class OpenLayer {
 public:
  OpenLayer(const soma_layer& table, const std::vector<soma_attribute>& options, const Shape& input)
      : table_(table) {
    soma_tensor in{SOMA_F64, input.rank()};
    std::ranges::copy(input.dims(), in.dims);
    plan_.struct_size = sizeof plan_;
    EXPECT_EQ(table.open(options.data(), &in, 1, &instance_, &plan_, nullptr), SOMA_OK);
    for (int i = 0; i < plan_.saved_count; ++i) saved_.emplace_back(size(plan_.saved[i]));
    exec_.struct_size = sizeof exec_;
    exec_.threads = 1;
    exec_.parallel_for = [](void*, std::int64_t n, std::int64_t, soma_range_fn fn, void* argument) {
      fn(argument, 0, n);
    };
  }
  ~OpenLayer() { table_.close(instance_); }

  static std::size_t size(const soma_tensor& t) {
    std::size_t n = 1;
    for (int i = 0; i < t.rank; ++i) n *= static_cast<std::size_t>(t.dims[i]);
    return n;
  }
  const soma_layer_plan& plan() const { return plan_; }

  /// values[0]: the input, then the parameters.
  Doubles forward(const std::vector<Doubles>& values) {
    Doubles output(size(plan_.output));
    const auto in = pointers<const void*>(values);
    const auto saved = pointers<void*>(saved_);
    exec_.inputs = in.data();
    exec_.parameters = in.data() + 1;
    exec_.output = output.data();
    exec_.saved = saved.data();
    EXPECT_EQ(table_.forward(instance_, &exec_, nullptr), SOMA_OK);
    return output;
  }
  std::vector<Doubles> backward(const std::vector<Doubles>& values, const Doubles& grad_output) {
    forward(values);
    std::vector<Doubles> gradients = values;
    const auto in = pointers<const void*>(values);
    const auto saved = pointers<void*>(saved_), out = pointers<void*>(gradients);
    exec_.inputs = in.data();
    exec_.parameters = in.data() + 1;
    exec_.saved = saved.data();
    exec_.grad_output = grad_output.data();
    exec_.grad_inputs = out.data();
    exec_.grad_parameters = out.data() + 1;
    EXPECT_EQ(table_.backward(instance_, &exec_, nullptr), SOMA_OK);
    return gradients;
  }

 private:
  template <class Pointer, class List>
  static std::vector<Pointer> pointers(List& list) {
    std::vector<Pointer> to;
    for (auto& v : list) to.push_back(const_cast<double*>(v.data()));
    return to;
  }
  const soma_layer& table_;
  soma_layer_instance* instance_ = nullptr;
  soma_layer_plan plan_{};
  soma_layer_exec exec_{};
  std::vector<Doubles> saved_;
};

TEST(PluginDerivatives, OfRadialBasisAreThoseOfItsOutput) {
  const soma_layer* table = find_layer_plugin("radial_basis");
  ASSERT_NE(table, nullptr);
  OpenLayer layer(
      *table, {{"units", SOMA_INTEGER, 0, 3, 0, nullptr}, {"width", SOMA_REAL, 0, 0, 0.7, nullptr}},
      {4, 5});
  ASSERT_EQ(layer.plan().parameter_count, 2);
  std::vector<Doubles> values = {drawn(20, 1, "x"), drawn(15, 1, "centers"), drawn(3, 1, "s")};
  const Doubles pull = drawn(12, 1, "pull");
  const auto gradients = layer.backward(values, pull);
  for (std::size_t v = 0; v < values.size(); ++v) {
    for (std::size_t i = 0; i < values[v].size(); ++i) {
      const auto f = [&](const Doubles& at) {
        auto changed = values;
        changed[v] = at;
        const Doubles y = layer.forward(changed);
        double sum = 0;
        for (std::size_t k = 0; k < y.size(); ++k) sum += pull[k] * y[k];
        return sum;
      };
      expect_near(gradients[v][i], slope(values[v], i, f), 1e-8, 1,
                  "value " + std::to_string(v) + " element " + std::to_string(i));
    }
  }
}

/// The update written down once more, in plain float64.
TEST(PluginDerivatives, SophiaDoesWhatItsPaperSays) {
  const soma_optimizer* sophia = find_optimizer_plugin("sophia");
  ASSERT_NE(sophia, nullptr);
  ASSERT_EQ(sophia->slot_count, 2);
  std::vector<soma_attribute> options;
  for (int i = 0; i < sophia->option_count; ++i) {
    const soma_option& o = sophia->options[i];
    options.push_back({o.name, o.kind, 0, o.integer, o.real, o.text});
  }
  double w = 0.5, m = 0, h = 0, got = 0.5, state[2] = {};
  for (int step = 1; step <= 40; ++step) {
    const double g = std::sin(step) * 0.01, rate = 0.003;
    m = 0.96 * m + 0.04 * g;
    if (step % 10 == 1) h = 0.99 * h + 0.01 * 32 * g * g;
    w -= rate * std::clamp(m / std::max(0.05 * h, 1e-12), -1.0, 1.0);
    double scalars[16];
    double* slots[2] = {&state[0], &state[1]};
    sophia->scalars(options.data(), step, rate, scalars);
    sophia->step_f64(scalars, &g, &got, slots, 1);
    EXPECT_NEAR(got, w, 1e-12) << "step " << step;
  }
}

}  // namespace
}  // namespace soma
