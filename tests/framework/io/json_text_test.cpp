#include "io/json_text.hpp"

#include <gtest/gtest.h>

#include "soma/error.hpp"
#include "temporary_folder.hpp"

namespace {

using soma::FormatError;
using soma::io::JsonText;

constexpr const char* kText = R"({
  "name": "a \"quoted\" {[,", "input": [28,
    28 ,
    1],
  "layers": [
    {"type": "dense"},
    {
      "a/b~c":
        [true, null, -1.5e3],
      "empty": {}
    }
  ]
})";

TEST(JsonText, KnowsTheLineOfEachValue) {
  const JsonText text(kText, "model.json");
  const std::pair<const char*, int> cases[] = {{"", 1},
                                               {"/name", 2},
                                               {"/input", 2},
                                               {"/input/0", 2},
                                               {"/input/1", 3},
                                               {"/input/2", 4},
                                               {"/layers", 5},
                                               {"/layers/0", 6},
                                               {"/layers/1", 7},
                                               {"/layers/0/type", 6},
                                               {"/layers/1/a~1b~0c", 8},
                                               {"/layers/1/a~1b~0c/2", 9},
                                               {"/layers/1/empty", 10},
                                               {"/layers/1/missing", 7},
                                               {"/layers/1/missing/deep", 7}};
  for (const auto& [pointer, line] : cases) EXPECT_EQ(text.line(pointer), line) << pointer;
}

TEST(JsonText, NamesPlaceAndFieldOfAComplaint) {
  const JsonText text(kText, "model.json");
  const auto complaint = [&](const char* pointer) {
    return message_of<FormatError>([&] { text.fail(pointer, "bad"); });
  };
  EXPECT_EQ(complaint(""), "model.json:1: bad");
  EXPECT_EQ(complaint("/input/1"), "model.json:3: input[1]: bad");
  EXPECT_EQ(complaint("/layers/1/a~1b~0c"), "model.json:8: layers[1].a/b~c: bad");
  EXPECT_EQ(complaint("/layers/1/units"), "model.json:7: layers[1].units: bad");
}

TEST(JsonText, SkipsAByteOrderMark) {
  EXPECT_EQ(JsonText("\xEF\xBB\xBF\n{\"a\": 1}", "x").line("/a"), 2);
}

TEST(JsonText, TakesScalars) {
  EXPECT_EQ(JsonText("\n 5 ", "x").line(""), 2);
  EXPECT_EQ(JsonText("\"\\\\\"", "x").root(), "\\");
}

struct BadText {
  const char* name;
  std::string text, message;  // beginning of the message
};

TEST(JsonTextErrors, SayWhere) {
  const BadText cases[] = {
      {"empty", "", "f:1: not JSON: syntax error"},
      {"cut off", "{\n\"a\": [1,\n", "f:3: not JSON: syntax error"},
      {"stray comma", "{\n\"a\": 1,\n}", "f:3: not JSON: syntax error"},
      {"two documents", "{}\n{}", "f:2: not JSON: syntax error"},
      {"not UTF-8", "{\n\"\xFF\": 1}", "f:2: not JSON: syntax error"},
      {"zero byte", std::string("{}\n\0x", 5), "f:2: not JSON: a zero byte"},
      {"huge number", "[1e999]", "f: not JSON: number overflow"},
      {"twice", "{\n\"a\": 1,\n\"b\": {\"a\": 2},\n\"a\": 3}",
       "f:4: \"a\" appears twice in one object, first on line 2"},
      {"twice, escaped", "{\"a\": 1,\n\"\\u0061\": 3}",
       "f:2: \"a\" appears twice in one object, first on line 1"},
  };
  for (const BadText& c : cases) {
    const std::string message = message_of<FormatError>([&] { JsonText(c.text, "f"); });
    EXPECT_TRUE(message.starts_with(c.message)) << c.name << ": " << message;
  }
}

TEST(JsonTextErrors, SurviveDeepNesting) {
  std::string text(100'000, '[');
  EXPECT_NE(message_of<FormatError>([&] { JsonText(text, "f"); }), "");
}

TEST(JsonText, DescribesValues) {
  EXPECT_EQ(soma::io::describe("five"), "\"five\"");
  EXPECT_EQ(soma::io::describe({1, 2}), "an array of 2");
  EXPECT_EQ(soma::io::describe(std::string(100, 'x')).size(), 63u);
}

}  // namespace
