#include "sql/serve/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::serve {
namespace {

using testing::ElementsAre;

TEST(Target, KeepsAnEscapedSlashInsideItsSegment) {
  const Target target = MakeTarget("/api/services/a%2Fb%20c/operations?x=1");
  EXPECT_THAT(target.segments, ElementsAre("api", "services", "a/b c", "operations"));
  EXPECT_EQ(target.Get("x"), "1");
}

TEST(Target, ReadsPlusAsABlankInTheQueryOnly) {
  const Target target = MakeTarget("/a+b?c=d+e&f=%2B");
  EXPECT_THAT(target.segments, ElementsAre("a+b"));
  EXPECT_EQ(target.Get("c"), "d e");
  EXPECT_EQ(target.Get("f"), "+");
}

TEST(Target, KeepsAllValuesOfAParameterInOrder) {
  const Target target = MakeTarget("/?a=1&b&a=2&&=3");
  EXPECT_THAT(target.All("a"), ElementsAre("1", "2"));
  EXPECT_EQ(target.Get("b"), "");
  EXPECT_EQ(target.Get("missing"), "");
  EXPECT_EQ(target.Path(), "/");
}

TEST(Target, LeavesBrokenEscapesAsTheyAre) {
  EXPECT_EQ(DecodeUrl("100%", true), "100%");
  EXPECT_EQ(DecodeUrl("%4", true), "%4");
  EXPECT_EQ(DecodeUrl("%zz%41", true), "%zzA");
}

TEST(Target, DecodesWhatItEncoded) {
  std::string all;
  for (int c = 0; c < 256; ++c) all.push_back(static_cast<char>(c));
  EXPECT_EQ(DecodeUrl(EncodeUrl(all), true), all);
}

}  // namespace
}  // namespace weft::serve
