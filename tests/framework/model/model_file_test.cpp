#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "soma/error.hpp"
#include "soma/model.hpp"
#include "soma/plugins.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::FormatError;
using soma::Model;

Model small() {
  Model model({4, 4, 2}, "small");
  model.add(soma::Conv2d{.filters = 3, .kernel = 3, .activation = "relu"}, "conv");
  model.add(soma::Dense{.units = 5}, "fc");
  model.initialize(7);
  return model;
}

/// The file with the first `from` in it replaced by `to`, of the same length.
std::string patched(std::string bytes, std::string_view from, std::string_view to) {
  EXPECT_EQ(from.size(), to.size());
  const auto at = bytes.find(from);
  EXPECT_NE(at, bytes.npos) << from;
  return bytes.replace(at, from.size(), to);
}

bool has_reference() {
  const auto plugins = soma::list_plugins();
  return std::ranges::any_of(plugins, [](const soma::PluginRecord& p) {
    return p.name == "reference" && p.status == soma::PluginStatus::ready;
  });
}

TEST(ModelFile, GivesBackArchitectureAndWeights) {
  const TemporaryFolder folder;
  const Model model = small();
  model.save(folder / "m.safetensors");
  const Model loaded = Model::load(folder / "m.safetensors");
  EXPECT_EQ(loaded.to_json(), model.to_json());
  EXPECT_EQ(loaded.weights_sha256(), model.weights_sha256());
  EXPECT_EQ(folder.files(), 1u);
}

TEST(ModelFile, IsTheSameBytesForTheSameModel) {
  const TemporaryFolder folder;
  small().save(folder / "a");
  Model::load(folder / "a").save(folder / "b");
  EXPECT_EQ(read_all(folder / "a"), read_all(folder / "b"));
}

TEST(ModelFile, NeedsWeights) {
  const TemporaryFolder folder;
  EXPECT_THROW(Model::named("mlp").save(folder / "m"), soma::StateError);
  EXPECT_EQ(folder.files(), 0u);
}

TEST(ModelFileErrors, SayFileExpectedAndFound) {
  const TemporaryFolder folder;
  small().save(folder / "m");
  const std::string whole = read_all(folder / "m");
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"soma_model", "some_model", ": expected a model in the metadata 'soma_model', found none"},
      {"\\\"soma_model\\\": 1", "\\\"soma_model\\\": 3",
       ": soma_model:2: soma_model: expected format 1, found 3"},
      {"\\\"filters\\\":3", "\\\"filters\\\":4",
       ": tensor 'conv.weight': expected F32 [4,3,3,2], found F32 [3,3,3,2]"},
      {"\"fc.bias\":{\"dtype\":\"F32\"", "\"fc.bias\":{\"dtype\":\"I32\"",
       ": tensor 'fc.bias': expected F32 [5], found I32 [5]"},
      {"\"fc.bias\"", "\"fc.bios\"", ": expected a tensor 'fc.bias' [5], found none"},
  };
  for (const auto& [from, to, problem] : cases) {
    write_all(folder / "bad", patched(whole, from, to));
    EXPECT_EQ(message_of<FormatError>([&] { Model::load(folder / "bad"); }),
              (folder / "bad").string() + problem);
  }
  write_all(folder / "bad", std::string_view(whole).substr(0, whole.size() - 1));
  EXPECT_NE(message_of<FormatError>([&] { Model::load(folder / "bad"); }), "");
  EXPECT_NE(message_of<FormatError>([&] { Model::load(folder / "none"); }), "");
}

TEST(ModelFileErrors, NoticeAChangedWeight) {
  if (!has_reference())
    GTEST_SKIP() << "the reference backend is not built, so no file has a self-test";
  const TemporaryFolder folder;
  const Model model = small();
  model.save(folder / "m");
  std::string bytes = read_all(folder / "m");
  // A bit of the exponent of fc's first bias.
  float bias = model.parameters()[3].value.as<float>()[0];
  ASSERT_EQ(model.parameters()[3].name, "fc.bias");
  ASSERT_EQ(bias, 0.0f);
  const auto weights = model.parameters()[2].value.as<float>();
  const auto at =
      bytes.find(std::string(reinterpret_cast<const char*>(weights.data()), weights.size_bytes())) +
      weights.size_bytes();
  bytes[at + 3] = 0x3F;
  write_all(folder / "m", bytes);
  const std::string message = message_of<FormatError>([&] { Model::load(folder / "m"); });
  EXPECT_TRUE(message.starts_with((folder / "m").string() + ": self-test: output 0: expected "))
      << message;
}

}  // namespace
