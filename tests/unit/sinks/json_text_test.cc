#include "sinks/jsonl/json_text.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace weft::sinks {
namespace {

std::string Quoted(std::string_view text) {
  std::string out;
  AppendJsonString(out, text);
  return out;
}

TEST(JsonText, EscapesWhatJsonForbids) {
  EXPECT_EQ(Quoted("plain"), "\"plain\"");
  EXPECT_EQ(Quoted("a\"b\\c"), R"("a\"b\\c")");
  EXPECT_EQ(Quoted("\n\r\t\x01\x1f"), R"("\n\r\t\u0001\u001f")");
  EXPECT_EQ(Quoted(std::string_view("\0", 1)), R"("\u0000")");
}

TEST(JsonText, KeepsUtf8AndReplacesWhatIsNot) {
  EXPECT_EQ(Quoted("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
            "\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"");
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(Quoted("\xff"), "\"" + bad + "\"");
  EXPECT_EQ(Quoted("\xc0\xaf"), "\"" + bad + bad + "\"");            // overlong
  EXPECT_EQ(Quoted("\xed\xa0\x80"), "\"" + bad + bad + bad + "\"");  // surrogate
  EXPECT_EQ(Quoted("a\xe2\x82"), "\"a" + bad + bad + "\"");          // cut off
}

TEST(JsonText, NumbersReadBackEqual) {
  std::string out;
  AppendInt(out, std::numeric_limits<int64_t>::min());
  EXPECT_EQ(out, "-9223372036854775808");
  out.clear();
  AppendDouble(out, 0.1);
  EXPECT_EQ(out, "0.1");
  out.clear();
  AppendDouble(out, std::nan(""));
  AppendDouble(out, -INFINITY);
  EXPECT_EQ(out, "\"NaN\"\"-Infinity\"");
  out.clear();
  AppendHex(out, 0xabcULL);
  EXPECT_EQ(out, "0000000000000abc");
}

}  // namespace
}  // namespace weft::sinks
