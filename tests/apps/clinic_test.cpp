// soma inspect, soma inspect --apply and soma train --health: planted illnesses, healthy models,
// cures.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "browser.hpp"
#include "command.hpp"
#include "soma/model.hpp"

using nlohmann::json;
using soma::Model;

namespace {

constexpr std::int64_t kWidth = 16;

/// 4 numbers, some hidden layers of one activation, 3 classes.
Model stack(const std::string& activation, int depth, const std::string& init = "auto") {
  Model net({4}, "stack");
  for (int i = 1; i <= depth; ++i) {
    net.add(
        soma::Dense{.units = kWidth, .activation = activation, .init = soma::init_from_name(init)},
        "h" + std::to_string(i));
  }
  net.add(soma::Dense{.units = 3}, "out");
  net.set_loss(soma::Loss::softmax_cross_entropy);
  net.initialize(3);
  return net;
}

std::span<float> numbers(Model& net, const std::string& parameter) {
  return net.parameter(parameter).value.as<float>();
}

void scale(Model& net, const std::string& parameter, float factor) {
  for (float& x : numbers(net, parameter)) x *= factor;
}

Model with_dead_units() {
  Model net = stack("relu", 3);
  for (int u = 0; u < kWidth / 2; ++u) numbers(net, "h2.bias")[static_cast<std::size_t>(u)] = -1e3f;
  return net;
}

Model with_few_dead_units() {
  Model net = stack("relu", 2);
  for (const std::size_t u : {1u, 5u, 9u}) numbers(net, "h2.bias")[u] = -1e3f;
  return net;
}

Model with_saturation() {
  Model net = stack("tanh", 3);
  scale(net, "h2.weight", 300);
  return net;
}

/// Only `distinct` units of h1 are of their own kind, the others copies at another scale.
Model with_copies(std::size_t distinct) {
  Model net = stack("relu", 2);
  const auto weight = numbers(net, "h1.weight");
  for (auto u = distinct; u < std::size_t{kWidth}; ++u) {
    for (std::size_t i = 0; i < 4; ++i) weight[u * 4 + i] = 2 * weight[u % distinct * 4 + i];
  }
  return net;
}
Model with_duplicates() { return with_copies(kWidth / 4); }
Model with_few_duplicates() { return with_copies(kWidth / 2); }

Model with_vanishing() { return stack("sigmoid", 10); }

Model with_explosion() {
  // Linear layers, each four times as strong as Xavier's.
  Model big({4}, "stack");
  for (int i = 1; i <= 10; ++i) big.add(soma::Dense{.units = kWidth}, "h" + std::to_string(i));
  big.add(soma::Dense{.units = 3}, "out");
  big.set_loss(soma::Loss::softmax_cross_entropy);
  big.initialize(3);
  for (int i = 2; i <= 10; ++i) scale(big, "h" + std::to_string(i) + ".weight", 4);
  return big;
}

Model with_infinity() {
  Model net = stack("relu", 2);
  numbers(net, "h2.weight")[1] = 3e38f;
  return net;
}

Model healthy() { return stack("tanh", 3); }

struct PlantedCase {
  const char* name;
  Model (*model)();
  const char* code;  // "" for no alarm at all
  const char* layer;
  double measured;  // < 0: not known
};
void PrintTo(const PlantedCase& c, std::ostream* out) { *out << c.name; }

const PlantedCase kPlanted[] = {
    {"half_the_units_dead", with_dead_units, "dead-units", "h2", -1},
    {"saturated_layer", with_saturation, "saturated-units", "h2", -1},
    {"vanishing_stack", with_vanishing, "vanishing-gradient", "h1", -1},
    {"duplicates", with_duplicates, "duplicate-units", "h1", 0.75},
    {"half_of_them_duplicates", with_few_duplicates, "", "", -1},
    {"exploding_stack", with_explosion, "exploding-gradient", "h1", -1},
    {"not_finite", with_infinity, "not-finite", "h2", -1},
    {"three_of_sixteen_dead", with_few_dead_units, "", "", -1},
    {"healthy", healthy, "", "", -1},
};

std::string alarms_of(const json& found) {
  std::string text;
  for (const json& a : found["alarms"]) {
    text += a["code"].get<std::string>() + " " + a["layer"].get<std::string>() + " " +
            std::to_string(a["measured"].get<double>()) + "; ";
  }
  return text;
}

const json* alarm(const json& found, const std::string& code) {
  for (const json& a : found["alarms"]) {
    if (a["code"] == code) return &a;
  }
  return nullptr;
}

const json& layer(const json& found, const std::string& name) {
  for (const json& l : found["layers"]) {
    if (l["name"] == name) return l;
  }
  throw std::runtime_error("no layer " + name);
}

/// Inspects with every option that keeps bits and time the same everywhere.
json inspect(const TemporaryFolder& folder, Words words) {
  const Words all = {"--backend", "reference", "--numerics", "exact", "--json"};
  words.insert(words.begin(), "inspect");
  words.insert(words.end(), all.begin(), all.end());
  const Outcome outcome = soma_command(words, folder.path());
  EXPECT_EQ(outcome.exit_code, 0) << command_line(words) << "\n" << outcome.err;
  return outcome.json();
}

class PlantedIllness : public testing::TestWithParam<PlantedCase> {};

TEST_P(PlantedIllness, IsFoundInItsLayerAndNamed) {
  const PlantedCase& c = GetParam();
  const TemporaryFolder folder;
  c.model().save(folder.path() / "m.safetensors");
  const json found = inspect(folder, {"m.safetensors", "--data", "iris"});
  ASSERT_FALSE(found.is_discarded());
  if (*c.code == '\0') {
    EXPECT_EQ(alarms_of(found), "");
    return;
  }
  const json* a = alarm(found, c.code);
  ASSERT_NE(a, nullptr) << alarms_of(found);
  EXPECT_EQ((*a)["layer"], c.layer) << alarms_of(found);
  if (c.measured >= 0) {
    EXPECT_DOUBLE_EQ((*a)["measured"], c.measured);
  }
  EXPECT_FALSE((*a)["cause"].get<std::string>().empty());
  EXPECT_FALSE((*a)["cures"].empty());
}

INSTANTIATE_TEST_SUITE_P(Clinic, PlantedIllness, testing::ValuesIn(kPlanted),
                         [](const auto& i) { return i.param.name; });

TEST(Clinic, KnowsEachUnitThatIsDeadRareOrATwin) {
  const TemporaryFolder folder;
  with_few_dead_units().save(folder.path() / "dead.safetensors");
  with_few_duplicates().save(folder.path() / "twins.safetensors");
  const json dead = inspect(folder, {"dead.safetensors", "--data", "iris"});
  for (const json& unit : layer(dead, "h2")["neurons"]) {
    const int index = unit["index"];
    if (index == 1 || index == 5 || index == 9) {
      EXPECT_TRUE(unit["dead"]);
      EXPECT_EQ(unit["maximum"], 0);
    } else {
      EXPECT_EQ(unit["dead"], unit["firing"] == 0) << index;
    }
  }
  const json twins = inspect(folder, {"twins.safetensors", "--data", "iris"});
  const json& units = layer(twins, "h1")["neurons"];
  for (std::size_t u = 0; u < kWidth / 2; ++u) EXPECT_TRUE(units[u]["twin"].is_null()) << u;
  for (std::size_t u = kWidth / 2; u < kWidth; ++u) EXPECT_EQ(units[u]["twin"], u - kWidth / 2);
}

TEST(Clinic, AnAlarmIsAnExitCodeOnlyIfAskedFor) {
  const TemporaryFolder folder;
  with_dead_units().save(folder.path() / "ill.safetensors");
  healthy().save(folder.path() / "well.safetensors");
  const auto code = [&](const std::string& file, const Words& more) {
    Words words = {"inspect", file, "--data", "iris", "--backend", "reference"};
    words.insert(words.end(), more.begin(), more.end());
    return soma_command(words, folder.path()).exit_code;
  };
  EXPECT_EQ(code("ill.safetensors", {}), 0);
  EXPECT_EQ(code("ill.safetensors", {"--strict"}), 1);
  EXPECT_EQ(code("well.safetensors", {"--strict"}), 0);
  EXPECT_EQ(code("ill.safetensors", {"--apply", "leaky_relu"}), 2)
      << "a file cannot be trained anew";
  EXPECT_EQ(code("ill.safetensors", {"--apply", "prayer"}), 2);
  EXPECT_EQ(code("ill.safetensors", {"--out", "x"}), 2);
}

struct HealthyCase {
  const char* name;
  Words train;
};
void PrintTo(const HealthyCase& c, std::ostream* out) { *out << c.name; }

constexpr const char* kRecurrent = R"({"soma_model": 1, "name": "recurrent", "input": [28, 28, 1],
 "loss": "softmax_cross_entropy", "layers": [
  {"type": "reshape", "name": "rows", "shape": "28,28"},
  {"type": "gru", "name": "gru", "units": 16, "return_sequences": false},
  {"type": "dense", "name": "out", "units": 10}]})";
constexpr const char* kTransformer =
    R"({"soma_model": 1, "name": "transformer", "input": [28, 28, 1],
 "loss": "softmax_cross_entropy", "layers": [
  {"type": "reshape", "name": "rows", "shape": "28,28"},
  {"type": "dense", "name": "embed", "units": 16, "last_axis": true},
  {"type": "positional_encoding", "name": "position", "kind": "sinusoidal"},
  {"type": "transformer_encoder_block", "name": "block", "heads": 2},
  {"type": "layer_norm", "name": "norm"},
  {"type": "mean", "name": "pool", "axis": 1},
  {"type": "dense", "name": "out", "units": 10}]})";

const HealthyCase kHealthy[] = {
    {"tabular_iris", {"tabular", "--data", "iris", "--steps", "300"}},
    {"mlp_iris", {"mlp", "--data", "iris", "--steps", "200"}},
    {"lenet5_glyphs", {"lenet5", "--data", "glyphs", "--steps", "60"}},
    {"recurrent",
     {"recurrent.json", "--data", "glyphs", "--optimizer", "adam", "--lr", "0.005", "--steps",
      "120"}},
    {"transformer",
     {"transformer.json", "--data", "glyphs", "--optimizer", "adam", "--lr", "0.005", "--steps",
      "120"}},
    {"autoencoder_glyphs", {"autoencoder", "--data", "glyphs", "--steps", "120"}},
};

class HealthyModel : public testing::TestWithParam<HealthyCase> {};

TEST_P(HealthyModel, RaisesNoAlarmInTrainingNorAfter) {
  const TemporaryFolder folder;
  write_text(folder.path() / "recurrent.json", kRecurrent);
  write_text(folder.path() / "transformer.json", kTransformer);
  Words words = {"train"};
  words.insert(words.end(), GetParam().train.begin(), GetParam().train.end());
  for (const char* more : {"--threads", "1", "--out", "run", "--health", "--json"})
    words.emplace_back(more);
  const Outcome trained = soma_command(words, folder.path());
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const json health = trained.json()["health"];
  EXPECT_GE(health["looks"], 1);
  EXPECT_EQ(health["alarms"], json::array()) << trained.err;
  const Outcome inspected =
      soma_command({"inspect", "run", "--threads", "1", "--json"}, folder.path());
  ASSERT_EQ(inspected.exit_code, 0) << inspected.err;
  EXPECT_EQ(alarms_of(inspected.json()), "");
  EXPECT_GE(inspected.json()["weights_over_time"].size(), 3u);
}

INSTANTIATE_TEST_SUITE_P(Clinic, HealthyModel, testing::ValuesIn(kHealthy),
                         [](const auto& i) { return i.param.name; });

/// Hidden layers of one activation on iris, with h2's first weights as `init` says.
std::string deep_model(const std::string& activation, int depth, const std::string& init) {
  json layers = json::array();
  for (int i = 1; i <= depth; ++i) {
    layers.push_back({{"type", "dense"},
                      {"name", "h" + std::to_string(i)},
                      {"units", kWidth},
                      {"activation", activation}});
    if (i == 2 && !init.empty()) layers.back()["init"] = init;
  }
  layers.push_back({{"type", "dense"}, {"name", "out"}, {"units", 3}});
  return json{{"soma_model", 1},
              {"name", "ill"},
              {"input", {4}},
              {"loss", "softmax_cross_entropy"},
              {"layers", layers}}
      .dump();
}

struct CureCase {
  const char* name;
  std::string model;
  Words train;  // options
  const char *code, *cure;
};
void PrintTo(const CureCase& c, std::ostream* out) { *out << c.name; }

// Mostly negative weights behind a relu: most units are dead from the start.
const std::string kDying = deep_model("relu", 2, "uniform(-0.9,0.05)");
const std::string kVanishing = deep_model("sigmoid", 8, "");
const Words kAdam = {"--optimizer", "adam", "--lr", "0.01", "--steps", "300"};

const CureCase kCures[] = {
    {"dead_leaky_relu", kDying, kAdam, "dead-units", "leaky_relu"},
    {"dead_prelu", kDying, kAdam, "dead-units", "prelu"},
    {"dead_elu", kDying, kAdam, "dead-units", "elu"},
    {"dead_gelu", kDying, kAdam, "dead-units", "gelu"},
    {"dead_he_init", kDying, kAdam, "dead-units", "he-init"},
    {"dead_lower_rate",
     deep_model("relu", 2, ""),
     {"--optimizer", "sgd", "--lr", "3", "--steps", "150"},
     "dead-units",
     "lower-lr"},
    {"vanishing_first", kVanishing, kAdam, "vanishing-gradient", "first"},
    {"vanishing_residual", kVanishing, kAdam, "vanishing-gradient", "residual"},
    {"vanishing_gelu", kVanishing, kAdam, "vanishing-gradient", "gelu"},
};

class NamedCure : public testing::TestWithParam<CureCase> {};

TEST_P(NamedCure, EndsTheIllnessItWasNamedFor) {
  const CureCase& c = GetParam();
  const TemporaryFolder folder;
  write_text(folder.path() / "ill.json", c.model);
  const Words exact = {"--backend", "reference", "--numerics", "exact"};
  Words train = {"train", "ill.json", "--data", "iris", "--out", "ill", "--health", "--json"};
  train.insert(train.end(), c.train.begin(), c.train.end());
  train.insert(train.end(), exact.begin(), exact.end());
  const Outcome trained = soma_command(train, folder.path());
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const json both = inspect(folder, {"ill", "--apply", c.cure, "--out", "cured"});
  ASSERT_FALSE(both.is_discarded());
  const json *before = alarm(both["before"], c.code), *after = alarm(both["after"], c.code);
  ASSERT_NE(before, nullptr) << alarms_of(both["before"]);
  EXPECT_EQ(after, nullptr) << alarms_of(both["after"]);
  EXPECT_FALSE(both["changes"].empty());
  const auto named = [&](const json& cure) {
    return std::string_view(c.cure) == "first" || cure["name"] == c.cure;
  };
  EXPECT_TRUE(std::ranges::any_of((*before)["cures"], named)) << c.cure << " was not named";
  // What it was worth: the share of right answers, and the loss.
  EXPECT_GT(both["after"]["test_accuracy"], both["before"]["test_accuracy"]);
  EXPECT_LT(both["after"]["test_loss"], both["before"]["test_loss"]);
  // The new run is one like any other.
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "cured" / "model.safetensors"));
  EXPECT_EQ(soma_command({"eval", "cured", "--backend", "reference"}, folder.path()).exit_code, 0);
}

INSTANTIATE_TEST_SUITE_P(Clinic, NamedCure, testing::ValuesIn(kCures),
                         [](const auto& i) { return i.param.name; });

TEST(Health, TellsOfAnIllnessWhileTrainingGoesOnAndKeepsIt) {
  const TemporaryFolder folder;
  write_text(folder.path() / "ill.json", kVanishing);
  Words words = {"train", "ill.json",  "--data",    "iris",  "--out",
                 "run",   "--backend", "reference", "--json"};
  words.insert(words.end(), kAdam.begin(), kAdam.end());
  const Outcome plain = soma_command(words, folder.path());
  EXPECT_EQ(plain.err.find("ALARM"), std::string::npos) << "nobody asked";
  EXPECT_FALSE(plain.json().contains("health"));
  std::filesystem::remove_all(folder.path() / "run");
  words.emplace_back("--health");
  const Outcome watched = soma_command(words, folder.path());
  const json result = watched.json();
  EXPECT_EQ(result["weights_sha256"], plain.json()["weights_sha256"]) << "looking changes no bit";
  ASSERT_FALSE(result["health"]["alarms"].empty()) << watched.err;
  EXPECT_EQ(result["health"]["alarms"][0]["code"], "vanishing-gradient");
  EXPECT_NE(watched.err.find("ALARM vanishing-gradient (h1)"), std::string::npos) << watched.err;
  EXPECT_NE(read_text(folder.path() / "run" / "health.csv").find(",vanishing-gradient\n"),
            std::string::npos);
  EXPECT_NE(read_text(folder.path() / "run" / "report.html").find("vanishing-gradient"),
            std::string::npos);
}

// Loads, opens every layer, looks at every picture and walks over what the keyboard reaches.
constexpr const char* kVisitor = R"(<script>
let wrong='';
window.onerror=message=>{wrong+=message+' '};
window.onload=()=>{
  document.querySelectorAll('details').forEach(d=>d.open=true);
  const pictures=[...document.querySelectorAll('svg')];
  for(const p of pictures){
    const box=p.getBoundingClientRect();
    if(!(box.width>100&&box.height>50))wrong+='empty picture ';
    if(/nan|inf/i.test(p.innerHTML.replace(/<title>.*?<\/title>/g,'')))wrong+='no number in a picture ';
    if(p.querySelectorAll('text').length<4)wrong+='axis without names ';
  }
  for(const s of document.querySelectorAll('section[tabindex],summary')){
    s.focus();
    if(document.activeElement!==s)wrong+='no focus ';
  }
  if(document.documentElement.scrollWidth>window.innerWidth)wrong+='wider than the window ';
  document.title='alarms '+document.querySelectorAll('.alarm').length+' dead '+
      document.querySelectorAll('.u.dead').length+' pictures '+(pictures.length>8)+' sections '+
      [...document.querySelectorAll('h2')].map(h=>h.textContent).join(',')+' wrong: '+wrong+'.';
};
</script>)";

TEST(ClinicPage, LoadsWithoutErrorsAndShowsWhatWasFound) {
  if (!has_program("chromium")) {
    GTEST_SKIP() << "chromium is not installed: the page was not opened in a browser";
  }
  const TemporaryFolder folder;
  write_text(folder.path() / "ill.json", kDying);
  Words words = {"train", "ill.json", "--data", "iris", "--out", "run", "--backend", "reference"};
  words.insert(words.end(), kAdam.begin(), kAdam.end());
  ASSERT_EQ(soma_command(words, folder.path()).exit_code, 0);
  const json found = inspect(folder, {"run", "--html", "page.html"});
  const std::string page = read_text(folder.path() / "page.html");
  EXPECT_EQ(page.find("http"), std::string::npos) << "needs nothing from elsewhere";
  std::int64_t dead = 0;
  for (const json& l : found["layers"]) dead += l["dead"].get<std::int64_t>();
  ASSERT_GT(dead, 0);
  const std::string expected =
      "alarms " + std::to_string(found["alarms"].size()) + " dead " + std::to_string(dead) +
      " pictures true sections Alarms,Layers,From input to output,Neurons,Over time wrong: .";
  for (const int width : {1400, 500}) {
    const PageVisit visit = visit_page(page, kVisitor, folder, width);
    EXPECT_EQ(visit.exit_code, 0) << visit.log;
    EXPECT_EQ(visit.log.find("CONSOLE"), std::string::npos) << visit.log;
    EXPECT_EQ(visit.title, expected);
  }
}

}  // namespace
