#include "engine/cli/dot_graph.h"

#include <limits>

#include "tests/support/shop_store.h"

namespace weft::cli {
namespace {

TEST(DotGraph, DrawsServicesCallsAndWhatIsNotTraced) {
  const test::ShopStore store;
  const auto graph = sql::ReadServiceGraph(*sql::StoreSet::Open({store.path()}),
                                           std::numeric_limits<int64_t>::min(),
                                           std::numeric_limits<int64_t>::max());
  ASSERT_TRUE(graph) << graph.error().message;
  const std::string dot = DotGraph(graph->edges);
  EXPECT_NE(dot.find("\"cart\" [label=\"cart\\n2 requests\""), dot.npos) << dot;
  EXPECT_NE(dot.find("\"pay\" [label=\"pay\\n1 requests, 1 failed\", color=\"#c62828\"]"),
            dot.npos);
  EXPECT_NE(dot.find("\"redis:6379\" [label=\"redis:6379\\n1 requests\""), dot.npos);
  EXPECT_NE(dot.find("style=dashed, tooltip=\"not traced\""), dot.npos);
  EXPECT_NE(dot.find("\"front\" -> \"cart\" [label=\"2 calls\\np95 35ms\""), dot.npos);
  EXPECT_NE(dot.find("\"outside\" -> \"front\""), dot.npos);
}

TEST(DotGraph, OnlyCallsOfTheTimeAskedFor) {
  const test::ShopStore store;
  const auto graph =
      sql::ReadServiceGraph(*sql::StoreSet::Open({store.path()}), test::kShopNoon + 500'000'000,
                            std::numeric_limits<int64_t>::max());
  ASSERT_TRUE(graph);
  uint64_t calls = 0;
  for (const auto& edge : graph->edges) calls += edge.calls;
  EXPECT_EQ(calls, 3u);  // outside -> front -> cart, pay
}

TEST(DotGraph, NamesAreQuoted) {
  const std::string dot = DotGraph({{"a\"b", "c\\d\n", true, 1, 0, 1, 1}});
  EXPECT_NE(dot.find(R"("a\"b" -> "c\\d\n")"), dot.npos) << dot;
}

}  // namespace
}  // namespace weft::cli
