#include "soma/sdk/activation.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

/// Snake, x + sin^2(x). Source: Ziyin et al., arXiv:2006.08195, with a = 1.
struct Snake {
  template <class T>
  static T f(T x) {
    const T s = sin(x);
    return x + s * s;
  }
};
SOMA_EXPORT_ACTIVATION("snake", Snake)

namespace {

struct Described {
  static constexpr const char* kSummary = "twice x";
  template <class T>
  static T f(T x) {
    return 2 * x;
  }
};

const soma_activation& snake() {
  const soma_host host = {sizeof(soma_host), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, "0"};
  const soma_plugin* plugin = nullptr;
  EXPECT_EQ(soma_plugin_entry_v1(&host, &plugin, nullptr), SOMA_OK);
  return *plugin->activations[0];
}

TEST(ExportedActivation, FillsTheTables) {
  const soma_host host = {sizeof(soma_host), SOMA_ABI_MAJOR, SOMA_ABI_MINOR, "0"};
  const soma_plugin* plugin = nullptr;
  ASSERT_EQ(soma_plugin_entry_v1(&host, &plugin, nullptr), SOMA_OK);
  EXPECT_EQ(plugin->struct_size, sizeof(soma_plugin));
  EXPECT_EQ(std::string(plugin->name), "snake");
  EXPECT_EQ(plugin->backend_count, 0);
  ASSERT_EQ(plugin->activation_count, 1);
  EXPECT_EQ(std::string(plugin->activations[0]->name), "snake");
  EXPECT_EQ(plugin->activations[0]->struct_size, sizeof(soma_activation));
  EXPECT_EQ(std::string(soma::sdk::activation_table<Described>("twice").summary), "twice x");
}

TEST(ExportedActivation, ComputesValueAndGradientInFloat64) {
  const std::vector<double> x = {-2, -0.5, 0, 1, 3};
  std::vector<double> y(x.size()), grad_x(x.size());
  const std::vector<double> grad_y(x.size(), 2.0);
  const auto n = static_cast<std::int64_t>(x.size());
  snake().forward_f64(x.data(), y.data(), n);
  snake().backward_f64(x.data(), grad_y.data(), grad_x.data(), n);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double s = std::sin(x[i]);
    EXPECT_DOUBLE_EQ(y[i], x[i] + s * s);
    EXPECT_NEAR(grad_x[i], 2 * (1 + std::sin(2 * x[i])), 1e-15);
  }
}

TEST(ExportedActivation, InFloat32FollowsTheOneInFloat64) {
  constexpr std::int64_t kCount = 1003;
  std::vector<float> x(kCount), y(kCount), grad_y(kCount), grad_x(kCount);
  std::vector<double> x64(kCount), y64(kCount), grad_y64(kCount), grad_x64(kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    x64[i] = x[i] = 0.017f * static_cast<float>(i) - 8;
    grad_y64[i] = grad_y[i] = i % 2 == 0 ? 1.0f : -0.75f;
  }
  snake().forward_f32(x.data(), y.data(), kCount);
  snake().backward_f32(x.data(), grad_y.data(), grad_x.data(), kCount);
  snake().forward_f64(x64.data(), y64.data(), kCount);
  snake().backward_f64(x64.data(), grad_y64.data(), grad_x64.data(), kCount);
  for (std::size_t i = 0; i < kCount; ++i) {
    EXPECT_NEAR(y[i], y64[i], 0x1p-22 * (1 + std::fabs(y64[i])));
    EXPECT_NEAR(grad_x[i], grad_x64[i], 0x1p-21);
  }
}

}  // namespace
