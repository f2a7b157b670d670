// Damaged models and checkpoints: each is read, or refused with one sentence that names the file.
// How many of each form is in SOMA_MUTATIONS (default 300); a build with
// -DSOMA_SANITIZE=address,undefined sees what does not crash by luck.
#include "mutation.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "soma/error.hpp"
#include "soma/trainer.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::Model;

/// Convolution, normalisation with statistics of its own, a skip, a tie and two kinds of numbers in
/// the file.
Model every_kind() {
  Model net({6, 5, 2}, "every_kind");
  net.add(soma::Conv2d{.filters = 3, .kernel = 3, .padding = soma::Padding::same}, "conv");
  net.add(soma::BatchNorm{}, "norm");
  net.add(soma::Activation{"relu"}, "relu");
  net.add(soma::Add{}, "sum", {"conv", "relu"});
  net.add(soma::Dense{.units = 4, .activation = "tanh"}, "hidden");
  net.add(soma::Dense{.units = 4}, "again");
  net.add(soma::Dense{.units = 4}, "out");
  net.tie("out.weight", "again.weight");
  net.initialize(3);
  return net;
}

soma::TrainerOptions options() { return {.optimizer = soma::Adam{}, .threads = 1}; }

struct Form {
  const char* name;
  std::string file;
  std::function<void(const std::filesystem::path&)> write, read;
};
void PrintTo(const Form& form, std::ostream* out) { *out << form.name; }

class DamagedModels : public testing::TestWithParam<Form> {};

TEST_P(DamagedModels, AreReadOrRefusedInOneSentence) {
  const Form& form = GetParam();
  const TemporaryFolder folder;
  const std::filesystem::path file = folder / form.file;
  form.write(file);
  const std::string good = read_all(file);
  ASSERT_NO_THROW(form.read(file));
  int refused = 0;
  for (int i = 0; i < mutations(); ++i) {
    write_all(file, damaged(good, i));
    std::string text;
    try {
      form.read(file);
    } catch (const soma::FormatError& error) {
      text = error.what();
    } catch (const soma::ShapeError& error) {
      text = error.what();
    } catch (const std::exception& error) {
      ADD_FAILURE() << form.name << ", mutation " << i
                    << ": neither a FormatError nor a ShapeError: " << error.what();
    }
    if (text.empty()) continue;
    ++refused;
    EXPECT_NE(text.find(file.string()), std::string::npos) << i << ": " << text;
    EXPECT_EQ(text.find('\n'), std::string::npos) << i << ": " << text;
  }
  std::printf("%s: %d damaged files, %d refused\n", form.name, mutations(), refused);
  EXPECT_GT(refused, mutations() / 2);
}

void save_model(const std::filesystem::path& file) { every_kind().save(file); }
void save_json(const std::filesystem::path& file) { write_all(file, every_kind().to_json()); }
void save_checkpoint(const std::filesystem::path& file) {
  Model net = every_kind();
  soma::Trainer(net, soma::backend("reference"), options()).save_checkpoint(file);
}
void load_checkpoint(const std::filesystem::path& file) {
  Model net = every_kind();
  soma::Trainer(net, soma::backend("reference"), options()).load_checkpoint(file);
}

INSTANTIATE_TEST_SUITE_P(
    All, DamagedModels,
    testing::Values(Form{"safetensors", "m.safetensors", save_model,
                         [](const auto& file) { Model::load(file); }},
                    Form{"json", "m.json", save_json,
                         [](const auto& file) { Model::named(file.string()); }},
                    Form{"checkpoint", "c.safetensors", save_checkpoint, load_checkpoint}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
