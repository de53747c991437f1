#include "engine/cli/waterfall.h"

#include "tests/support/shop_store.h"

namespace weft::cli {
namespace {

std::string Draw(const test::ShopStore& store, const char* id, int width,
                 WaterfallOptions options = {}) {
  const auto trace = sql::FindTrace(store.db, id);
  EXPECT_TRUE(trace) << trace.error().message;
  const auto spans = sql::ReadSpans(store.db, trace->row);
  OutputStyle style;
  style.width = width;
  style.unicode = false;
  return Waterfall(*trace, *spans, options, style);
}

TEST(Waterfall, ShowsTreeDurationsBarsErrorsAndDoubt) {
  const test::ShopStore store;
  EXPECT_EQ(Draw(store, "0abc0000000000000000000000000002", 80),
            "trace 0abc0000000000000000000000000002\n"
            "2023-11-14 22:13:21.000 UTC   500ms   5 spans of 3 services   3 errors\n"
            "\n"
            "front  POST /order  *  500ms  |=:=::::::::::::::::::::::::::::=====|  ERROR\n"
            "|-> GET             *   20ms  |---                                 |\n"
            "| ` cart  GET /cart *   18ms  |===                                 |\n"
            "` > GET             *  400ms  |  ------------------------------    |  ERROR 62%?\n"
            "  ` pay  POST /pay  *  398ms  |  ==============================    |  ERROR\n"
            "\n"
            "* critical path: pay 398ms (80 %), front 80ms (16 %), cart 18ms (4 %), network from "
            "front 4ms (1 %)\n"
            "  error began: pay  POST /pay\n");
}

TEST(Waterfall, WideOutputHasSelfTimes) {
  const test::ShopStore store;
  const std::string text = Draw(store, "0abc0000000000000000000000000001", 100);
  EXPECT_NE(text.find("total    self"), std::string::npos) << text;
  EXPECT_NE(text.find("front  GET /cart/{id}   *   50ms    15ms"), std::string::npos) << text;
}

TEST(Waterfall, NarrowOutputLosesTheBarFirst) {
  const test::ShopStore store;
  const std::string text = Draw(store, "0abc0000000000000000000000000001", 34);
  EXPECT_EQ(text.find("|="), std::string::npos);
  EXPECT_NE(text.find("front  GET /cart"), std::string::npos);
}

TEST(Waterfall, CutsLongTracesAndSaysSo) {
  const test::ShopStore store;
  WaterfallOptions options;
  options.max_spans = 2;
  const std::string text = Draw(store, "0abc0000000000000000000000000002", 80, options);
  EXPECT_NE(text.find("... and 3 more spans (--limit 5)"), std::string::npos);
}

TEST(Waterfall, SpansWithoutAStoredParentAndLoopsAreShownOnce) {
  test::TraceBatch batch;
  batch.BeginTrace(1, 1);
  batch.AddSpan(1, 99, WEFT_KIND_SERVER, "orphan", "GET", 10, 20);
  batch.AddSpan(2, 3, WEFT_KIND_SERVER, "loop", "A", 10, 20);
  batch.AddSpan(3, 2, WEFT_KIND_SERVER, "loop", "B", 10, 20);
  batch.AddSpan(4, 4, WEFT_KIND_SERVER, "self", "C", 10, 0);
  const test::ShopStore store(batch);
  const std::string text = Draw(store, "0", 100);
  for (const char* label : {"orphan  GET", "loop  A", "loop  B", "self  C"}) {
    const size_t at = text.find(label);
    ASSERT_NE(at, std::string::npos) << label;
    EXPECT_EQ(text.find(label, at + 1), std::string::npos) << label;
  }
  EXPECT_NE(text.find("open"), std::string::npos);
}

}  // namespace
}  // namespace weft::cli
