// What may go into messages and JSON.
#include "plugins/text.hpp"

#include <gtest/gtest.h>

namespace {

using soma::plugins::is_text;
using soma::plugins::printable;

TEST(PluginText, IsUtf8WithoutControlCharacters) {
  for (const char* text : {"", "plain", "\u00e9\u20ac", "\U0001F600", "~ \u00a0"}) {
    EXPECT_TRUE(is_text(text)) << text;
    EXPECT_EQ(printable(text), text);
  }
  EXPECT_EQ(printable("a\tb\x7f\nc"), "a?b??c");
  EXPECT_EQ(printable("\xc2\x85"), "??") << "a control character of two bytes";
  EXPECT_EQ(printable("\xff\xc3"), "??") << "no first byte; one that ends too soon";
  EXPECT_EQ(printable("\xc0\xaf"), "??") << "not the shortest form";
  EXPECT_EQ(printable("\xed\xa0\x80"), "???") << "half a surrogate pair";
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "????") << "above U+10FFFF";
  EXPECT_EQ(printable("x\xe2\x82y"), "x??y");
}

}  // namespace
