// A plugin of ABI 1.0 in the host of today.
#include <gtest/gtest.h>

#include <array>

#include "soma/backend.hpp"
#include "soma/error.hpp"
#include "soma/plugins.hpp"
#include "soma/sdk/ops/activation.hpp"

namespace {

class PluginOfAbi10 : public testing::Test {
 protected:
  static void SetUpTestSuite() { soma::add_plugin_path(FOLDER); }
};

TEST_F(PluginOfAbi10, IsAdmitted) {
  for (const soma::PluginRecord& plugin : soma::list_plugins()) {
    if (plugin.path.parent_path() != FOLDER) continue;
    EXPECT_EQ(plugin.status, soma::PluginStatus::ready) << plugin.reason;
    EXPECT_EQ(plugin.kind, "backend+activation");
    EXPECT_EQ(plugin.name, "of 1.0");
    return;
  }
  FAIL() << "not found";
}

TEST_F(PluginOfAbi10, ComputesAsABackend) {
  const soma::Backend backend = soma::backend("of_1_0");
  const soma::Shape shape{2, 3};
  const soma::Kernel kernel =
      backend.prepare(soma::ops::Activation{"relu"}.forward(shape, soma::Purpose::infer));
  const std::array<float, 6> x = {-1, 2, -3, 4, -5, 6};
  std::array<float, 6> y{};
  alignas(64) std::array<std::byte, 64> workspace;
  const void* inputs[] = {x.data()};
  void* outputs[] = {y.data()};
  ASSERT_LE(kernel.info().workspace_bytes, workspace.size());
  kernel.execute({.inputs = inputs, .outputs = outputs, .workspace = workspace.data()}, 2);
  EXPECT_EQ(y, (std::array<float, 6>{0, 2, 0, 4, 0, 6}));
}

TEST_F(PluginOfAbi10, IsRefusedUnderNumericsThatItDoesNotKnow) {
  try {
    soma::backend("of_1_0", {.numerics = soma::Numerics::bf16});
    ADD_FAILURE() << "opened";
  } catch (const soma::UnsupportedError& e) {
    EXPECT_NE(std::string(e.what()).find("does not offer bf16 numerics"), std::string::npos);
  }
}

TEST_F(PluginOfAbi10, ComputesAsAnActivation) {
  const soma_activation* twice = soma::find_activation_plugin("double_of_1_0");
  ASSERT_NE(twice, nullptr);
  const float x = 21;
  float y = 0;
  twice->forward_f32(&x, &y, 1);
  EXPECT_EQ(y, 42);
  constexpr std::size_t kSizeThen = 56;
  // What later versions appended, the plugin lacks: the host sees zeros there.
  const auto* bytes = reinterpret_cast<const unsigned char*>(twice);
  for (std::size_t i = kSizeThen; i < sizeof *twice; ++i) EXPECT_EQ(bytes[i], 0) << i;
}

}  // namespace
