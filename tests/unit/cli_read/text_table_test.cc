#include "engine/cli/text_table.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

TEST(TextTable, AlignsTextLeftAndNumbersRight) {
  TextTable table({"name", "calls", "p95"});
  table.Add({"cart", "7", "1.5ms"});
  table.Add({"a longer one", "1234", "12ms"});
  EXPECT_EQ(table.Render({}),
            "name          calls    p95\n"
            "cart              7  1.5ms\n"
            "a longer one   1234   12ms\n");
}

TEST(TextTable, AColumnToKeepIsNeverCut) {
  TextTable table({"time", "name"});
  table.Keep(0);
  table.Add({"11-22 05:12:13", "a rather long name of something"});
  const std::string text = table.Render({.width = 26});
  EXPECT_NE(text.find("11-22 05:12:13"), std::string::npos) << text;
  EXPECT_EQ(text.find("something"), std::string::npos) << text;
}

TEST(TextTable, NarrowOutputCutsTextAndNeverNumbers) {
  TextTable table({"name", "value"});
  table.Add({"a name that is much too long for this", "1234567890"});
  OutputStyle style;
  style.width = 24;
  EXPECT_EQ(table.Render(style),
            "name               value\n"
            "a name that…  1234567890\n");
}

TEST(TextTable, NothingIsCutInAPipe) {
  TextTable table({"name", "value"});
  table.Add({"a name that is much too long for this", "1234567890"});
  const std::string text = table.Render({.width = 20, .piped = true});
  EXPECT_NE(text.find("too long for this  1234567890\n"), std::string::npos) << text;
}

TEST(TextTable, TheLastColumnGoesOnInTheNextLineOrIsLeftOut) {
  TextTable table({"view", "columns"});
  table.WrapLast();
  table.Add({"spans", "trace_id, span_id, parent_id, service"});
  EXPECT_EQ(table.Render({.width = 32}),
            "view   columns\n"
            "spans  trace_id, span_id,\n"
            "       parent_id, service\n");
  TextTable remarks({"trace", "remarks"});
  remarks.OmitEmptyLast();
  remarks.Add({"a4bf", ""});
  EXPECT_EQ(remarks.Render({}), "trace\na4bf\n");
}

}  // namespace
}  // namespace weft::cli
