#include <gtest/gtest.h>

#include "soma/error.hpp"
#include "soma/model.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::FormatError;
using soma::Model;

constexpr const char* kSmall = R"({
  "soma_model": 1,
  "name": "small",
  "input": [8,8,1],
  "loss": "mean_squared_error",
  "layers": [
    {"type":"conv2d","name":"c","filters":3,"kernel":3,"padding":"same","bias":false},
    {"type":"activation","name":"a","function":"tanh"},
    {"type":"add","name":"sum","inputs":["c","a"]},
    {"type":"avg_pool2d","name":"p","size":2,"stride":3,"padding":"same","include_pad":true},
    {"type":"dense","name":"d","units":5,"activation":"relu","init":"zeros"}
  ]
}
)";

TEST(ModelJson, ComesBackAsItWas) {
  const Model model = Model::from_json(kSmall);
  EXPECT_EQ(model.name(), "small");
  EXPECT_EQ(model.loss(), soma::Loss::mean_squared_error);
  EXPECT_EQ(model.output_shape(), soma::Shape{5});
  EXPECT_EQ(model.to_json(), kSmall);
}

TEST(ModelJson, FillsInWhatIsLeftOut) {
  const Model model = Model::from_json(
      R"({"soma_model": 1, "input": [4], "layers": [{"type": "dense", "units": 2}]})");
  EXPECT_EQ(model.name(), "model");
  EXPECT_EQ(model.loss(), soma::Loss::softmax_cross_entropy);
  EXPECT_EQ(model.layers()[0].name, "dense_1");
  EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
}

TEST(ModelJson, HoldsTheBuiltInModels) {
  const soma::Shape digit{28, 28, 1}, classes{10};
  const struct {
    const char* name;
    std::int64_t parameters;
    soma::Shape input, output;
  } models[] = {
      {"perceptron", 7850, digit, classes},          {"mlp", 535'818, digit, classes},
      {"tabular", 52'650, digit, classes},           {"lenet5", 1'663'370, digit, classes},
      {"audio-cnn", 15'364, {512, 1}, {4}},          {"resnet20", 272'474, {32, 32, 3}, classes},
      {"plain100", 229'274, digit, classes},         {"residual100", 229'274, digit, classes},
      {"char-rnn", 123'585, {64}, {64, 65}},         {"char-lstm", 419'265, {64}, {64, 65}},
      {"char-gru", 320'961, {64}, {64, 65}},         {"char-gpt", 804'096, {64}, {64, 65}},
      {"series-lstm", 4'385, {30, 1}, {1}},          {"autoencoder", 419'120, digit, digit},
      {"sparse-autoencoder", 402'448, digit, digit}, {"vae", 415'024, digit, digit}};
  std::vector<std::string> names;
  for (const auto& [name, parameters, input, output] : models) {
    const Model model = Model::named(name);
    EXPECT_EQ(model.name(), name);
    EXPECT_EQ(model.parameter_count(), parameters);
    EXPECT_EQ(model.input_shape(), input);
    EXPECT_EQ(model.output_shape(), output);
    EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
    names.emplace_back(name);
  }
  EXPECT_EQ(Model::builtin_names(), names);
}

constexpr const char* kWhole = R"({
  "soma_model": 1,
  "name": "whole",
  "inputs": [
    {"name":"left","shape":[4]},
    {"name":"tokens","shape":[6],"type":"i32"}
  ],
  "outputs": ["c","b"],
  "losses": [
    {"output":"c","loss":"softmax_cross_entropy"},
    {"output":"b","loss":"mean_squared_error","weight":0.25}
  ],
  "layers": [
    {"type":"dense","name":"a","units":4},
    {"type":"dense","name":"b","units":4,"tie":{"weight":"a.weight"}},
    {"type":"dense","name":"c","inputs":["a"],"units":3}
  ]
}
)";

TEST(ModelJson, HoldsInputsOutputsLossesAndTies) {
  const Model model = Model::from_json(kWhole);
  EXPECT_EQ(model.to_json(), kWhole);
  ASSERT_EQ(model.inputs().size(), 2u);
  EXPECT_EQ(model.inputs()[1], (soma::ModelInput{"tokens", {6}, soma::DType::i32}));
  EXPECT_EQ(model.outputs()[0].name, "c");
  EXPECT_EQ(model.losses()[1].weight, 0.25);
  EXPECT_EQ(model.parameter_count(), 20 + 4 + 15);
}

TEST(ModelJson, TakesLayersInAnyOrder) {
  const Model model = Model::from_json(R"({"soma_model": 1, "input": [4], "layers": [
    {"type": "add", "name": "end", "inputs": ["d", "b"]},
    {"type": "dense", "name": "d", "inputs": ["b"], "units": 4},
    {"type": "dense", "name": "b", "inputs": ["input"], "units": 4},
    {"type": "dense", "name": "aside", "units": 2},
    {"type": "dense", "name": "last", "inputs": ["b"], "units": 3}
  ]})");
  std::vector<std::string> names;
  for (const auto& layer : model.layers()) names.push_back(layer.name);
  EXPECT_EQ(names, (std::vector<std::string>{"b", "d", "end", "aside", "last"}));
  EXPECT_EQ(model.outputs()[0].name, "last");
  EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
  // The output is the layer that stands last, wherever it is computed.
  const Model inner = Model::from_json(R"({"soma_model": 1, "input": [4], "layers": [
    {"type": "dense", "name": "side", "inputs": ["main"], "units": 2},
    {"type": "dense", "name": "main", "inputs": ["input"], "units": 3}
  ]})");
  EXPECT_EQ(inner.output_shape(), soma::Shape{3});
  EXPECT_EQ(Model::from_json(inner.to_json()).to_json(), inner.to_json());
}

std::string complaint_about(const std::string& json) {
  return message_of<FormatError>([&] { Model::from_json(json, "m.json"); });
}

TEST(ModelJson, ComputesALayerAfterThoseItIsTiedTo) {
  const Model model = Model::from_json(R"({"soma_model": 1, "input": [4], "layers": [
    {"type": "dense", "name": "b", "inputs": ["input"], "units": 4, "tie": {"weight": "a.weight"}},
    {"type": "dense", "name": "a", "inputs": ["input"], "units": 4},
    {"type": "add", "name": "sum", "inputs": ["b", "a"]}
  ]})");
  EXPECT_EQ(model.layers()[0].name, "a");
  EXPECT_EQ(model.parameter_count(), 24);
  EXPECT_EQ(Model::from_json(model.to_json()).to_json(), model.to_json());
}

TEST(ModelJsonErrors, NameTheLayersOfACycle) {
  EXPECT_EQ(complaint_about(R"({"soma_model": 1, "input": [4], "layers": [
    {"type": "dense", "name": "first", "units": 4},
    {"type": "dense", "name": "y", "inputs": ["z"], "units": 4},
    {"type": "add", "name": "x", "inputs": ["first", "y"]},
    {"type": "dense", "name": "z", "inputs": ["x"], "units": 4}
  ]})"),
            "m.json:3: layers[1]: layers y -> x -> z -> y form a cycle");
  EXPECT_EQ(complaint_about(R"({"soma_model": 1, "input": [4], "layers": [
    {"type": "add", "name": "me", "inputs": ["input", "me"]}]})"),
            "m.json:2: layers[0]: layers me -> me form a cycle");
}

TEST(ModelJsonErrors, NameTheLineOfInputsOutputsLossesAndTies) {
  const std::pair<std::pair<const char*, const char*>, const char*> cases[] = {
      {{"\"left\",", "\"tokens\","}, "m.json:6: inputs[1]: input name 'tokens' is taken"},
      {{"\"i32\"", "\"i64\""},
       "m.json:6: inputs[1].type: expected \"f32\" or \"i32\", found \"i64\""},
      {{"\"i32\"", "\"i32\",\"x\":1"},
       "m.json:6: inputs[1].x: unknown field; known are name, shape"},
      {{"[4]}", "[0]}"}, "m.json:5: inputs[0].shape[0]: expected a positive integer, found 0"},
      {{"[\"c\",\"b\"]", "[\"c\",\"x\"]"},
       "m.json:8: outputs: outputs: expected layers, each once, got 'x'"},
      {{"\"losses\"", "\"loss\":\"mean_squared_error\",\n\"losses\""},
       "m.json:10: losses: expected either"},
      {{"{\"output\":\"b\"", "{\"output\":\"a\""},
       "m.json:11: losses[1]: loss: expected an output"},
      {{"0.25", "\"much\""}, "m.json:11: losses[1].weight: expected a number, found \"much\""},
      {{"a.weight", "c.weight"},
       "m.json:15: layers[1].tie.weight: layer 'b': tie: weight [4,4] cannot be c.weight [3,4]"},
      {{"{\"weight\":", "{\"slope\":"},
       "m.json:15: layers[1].tie.slope: layer 'b': tie: the layer has no parameter 'slope'"},
  };
  for (const auto& [change, message] : cases) {
    std::string json = kWhole;
    const auto at = json.find(change.first);
    ASSERT_NE(at, std::string::npos) << change.first;
    json.replace(at, std::string(change.first).size(), change.second);
    EXPECT_EQ(complaint_about(json).substr(0, std::string(message).size()), message);
  }
}

TEST(ModelJson, IsReadFromAFile) {
  const TemporaryFolder folder;
  write_all(folder / "small.json", kSmall);
  EXPECT_EQ(Model::named((folder / "small.json").string()).to_json(), kSmall);
  write_all(folder / "bad.json", "{\n\"soma_model\": 2\n}");
  EXPECT_EQ(message_of<FormatError>([&] { Model::named((folder / "bad.json").string()); }),
            (folder / "bad.json").string() + ":2: soma_model: expected format 1, found 2");
}

TEST(ModelJsonErrors, ListTheModelsThereAre) {
  EXPECT_EQ(message_of<FormatError>([] { Model::named("lenet"); }),
            "model 'lenet': expected perceptron, mlp, tabular, lenet5, audio-cnn, resnet20, "
            "plain100, residual100, char-rnn, char-lstm, char-gru, char-gpt, series-lstm, "
            "autoencoder, sparse-autoencoder, vae, or a JSON file, found no file of that name");
  const TemporaryFolder folder;
  EXPECT_EQ(message_of<FormatError>([&] { Model::named(folder.path().string()); }),
            "cannot read the model " + folder.path().string());
}

struct BadModel {
  const char* replaced;
  const char* by;
  const char* message;  // after "m.json:"
};

TEST(ModelJsonErrors, NameLineAndField) {
  const BadModel cases[] = {
      {"\"name\": \"small\",", "\"name\" \"small\",", "3: not JSON: "},
      {"\"name\": \"small\"", "\"nome\": \"small\"",
       "3: nome: unknown field; known are soma_model, name, input, inputs, outputs, loss, "
       "losses, layers"},
      {"\"name\": \"small\"", "\"name\": 5", "3: name: expected a text, found 5"},
      {"\"name\": \"small\"", "\"soma_model\": 1",
       "3: \"soma_model\" appears twice in one object, first on line 2"},
      {"\"soma_model\": 1,", "", "1: expected a field \"soma_model\", found none"},
      {"\"soma_model\": 1,", "\"soma_model\": \"1\",",
       "2: soma_model: expected format 1, found \"1\""},
      {"\"input\": [8,8,1],", "", "1: expected a field \"input\", found none"},
      {"[8,8,1]", "[]",
       "4: input: expected an array of 1 to 7 positive integers, found an array of 0"},
      {"[8,8,1]", "8", "4: input: expected an array of 1 to 7 positive integers, found 8"},
      {"[8,8,1]", "[8,\n8.5,1]", "5: input[1]: expected a positive integer, found 8.5"},
      {"[8,8,1]", "[8,8,-1]", "4: input[2]: expected a positive integer, found -1"},
      {"[8,8,1]", "[8,0,1]", "4: input[1]: expected a positive integer, found 0"},
      {"[8,8,1]", "[1048576,1048576,2]", "4: input[2]: expected at most 2^40 numbers in a sample"},
      {"[8,8,1]", "[18446744073709551615]",
       "4: input[0]: expected at most 2^40 numbers in a sample"},
      {"mean_squared_error", "hinges",
       "5: loss: unknown loss 'hinges'; known are softmax_cross_entropy"},
      {"{\"type\":\"activation\"", "5, {\"type\":\"activation\"",
       "8: layers[1]: expected an object, found 5"},
      {"\"type\":\"activation\",", "", "8: layers[1]: expected a field \"type\", found none"},
      {"\"type\":\"activation\"", "\"type\":[]",
       "8: layers[1].type: expected a text, found an array of 0"},
      {"\"type\":\"activation\"", "\"type\":\"actvation\"",
       "8: layers[1].type: unknown layer type 'actvation'; known are dense, conv2d"},
      {"\"name\":\"a\"", "\"name\":\"c\"",
       "8: layers[1].name: expected a name of its own, found \"c\", which an earlier layer has"},
      {"\"name\":\"a\"", "\"name\":\"\"", "8: layers[1].name: expected a name, found \"\""},
      {"\"name\":\"a\"", "\"name\":\"a.b\"",
       "8: layers[1]: layer name 'a.b' is taken or not allowed"},
      {"\"name\":\"a\"", "\"name\":\"input\"",
       "8: layers[1]: layer name 'input' is taken or not allowed"},
      {"[\"c\",\"a\"]", "[\"c\",\"x\"]",
       "9: layers[2].inputs[1]: expected \"input\" or the name of a layer, found \"x\""},
      {"[\"c\",\"a\"]", "[]", "9: layers[2].inputs: expected an array of layer names"},
      {"[\"c\",\"a\"]", "\"c\"",
       "9: layers[2].inputs: expected an array of layer names, found \"c\""},
      {"[\"c\",\"a\"]", "[\"c\",1]", "9: layers[2].inputs[1]: expected a text, found 1"},
      {"[\"c\",\"a\"]", "[\"c\"]",
       "9: layers[2]: layer 'sum': add: expected two inputs or more, got 1"},
      {"[\"c\",\"a\"]", "[\"c\",\"input\"]", "9: layers[2]: layer 'sum': "},
      {"\"kernel\":3", "\n\"kernel\":\"five\"",
       "8: layers[0].kernel: expected a whole number, found \"five\""},
      {"\"kernel\":3", "\"kernel\":3.0", "7: layers[0].kernel: expected a whole number, found 3.0"},
      {"\"kernel\":3", "\"kernel\":[3]",
       "7: layers[0].kernel: expected a whole number, found an array of 1"},
      {"\"kernel\":3", "\"kernel\":true",
       "7: layers[0].kernel: expected a whole number, found true"},
      {"\"kernel\":3", "\"kernel\":null",
       "7: layers[0].kernel: expected a whole number, found null"},
      {"\"kernel\":3", "\"kernel\":0",
       "7: layers[0].kernel: expected a whole number of 1 or more, got 0"},
      {"\"kernel\":3", "\"kernel\":18446744073709551615",
       "7: layers[0].kernel: expected a whole number, found 18446744073709551615"},
      {"\"kernel\":3", "\"kernal\":3", "7: layers[0].kernal: unknown field 'kernal'; known are "},
      {"\"filters\":3,", "",
       "7: layers[0]: filters: expected a whole number of 1 or more, got none"},
      {"\"bias\":false", "\"bias\":0", "7: layers[0].bias: expected true or false, found 0"},
      {"\"padding\":\"same\",\"bias\"", "\"padding\":5,\"bias\"",
       "7: layers[0].padding: expected a text, found 5"},
      {"\"padding\":\"same\",\"bias\"", "\"padding\":\"full\",\"bias\"",
       "7: layers[0].padding: expected \"valid\" or \"same\", got \"full\""},
      {"\"tanh\"", "\"tan\"", "8: layers[1].function: unknown activation 'tan'"},
      {"\"zeros\"", "\"twos\"", "11: layers[4].init: "},
      {"\"size\":2", "\"size\":0",
       "10: layers[3].size: expected a whole number of 1 or more, got 0"},
  };
  for (const BadModel& c : cases) {
    std::string text = kSmall;
    const auto at = text.find(c.replaced);
    ASSERT_NE(at, text.npos) << c.replaced;
    text.replace(at, std::string_view(c.replaced).size(), c.by);
    const std::string message = message_of<FormatError>([&] { Model::from_json(text, "m.json"); });
    EXPECT_TRUE(message.starts_with(std::string("m.json:") + c.message))
        << c.by << "\n  expected " << c.message << "\n  found    " << message;
  }
  EXPECT_EQ(message_of<FormatError>([] { Model::from_json("[]", "m.json"); }),
            "m.json:1: expected an object, found an array of 0");
  EXPECT_EQ(message_of<FormatError>([] {
              Model::from_json(R"({"soma_model": 1, "input": [1], "layers": []})", "m.json");
            }),
            "m.json:1: layers: expected an array of one layer or more, found an array of 0");
}

}  // namespace
