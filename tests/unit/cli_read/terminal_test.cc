#include "engine/cli/terminal.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

TEST(Terminal, TextIsCutAndFilledInColumnsNotBytes) {
  EXPECT_EQ(DisplayWidth("grün → rot"), 10u);
  EXPECT_EQ(Fit("grün", 4, true), "grün");
  EXPECT_EQ(Fit("grüner", 4, true), "grü…");
  EXPECT_EQ(Fit("green", 3, false), "gr~");
  EXPECT_EQ(Fit("green", 0, true), "");
  EXPECT_EQ(Pad("grün", 6, true), "grün  ");
}

TEST(Terminal, DataCannotDriveTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb\nc\x7f"), "a?[2Jb?c?");
  EXPECT_EQ(Printable("a\xc2\x9b"
                      "2Jb\xc2\xa7"),
            "a??2Jb\xc2\xa7");
}

TEST(Terminal, TimesAreUtcWithMilliseconds) {
  EXPECT_EQ(UtcTime(1'700'000'000'123'000'000), "2023-11-14 22:13:20.123");
}

TEST(Terminal, WrapsAtBlanksBehindWhatIsThereAlready) {
  EXPECT_EQ(Wrap("one two three four", 14, 4), "one two\n    three four");
  EXPECT_EQ(Wrap("fits", 14, 4), "fits");
  EXPECT_EQ(Wrap("a-word-that-is-longer-than-all b", 14, 4),
            "a-word-that-is-longer-than-all\n    b");
  EXPECT_EQ(Wrap("", 14, 4), "");
}

}  // namespace
}  // namespace weft::cli
