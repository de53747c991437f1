#include "sql/union_tables.h"

#include "sql/service_graph.h"
#include "tests/support/member_stores.h"
#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

using test::MemberStores;
using test::TraceBatch;

std::string Rows(const Database& db, const std::string& sql) {
  auto statement = db.Prepare(sql);
  if (!statement) return statement.error().message;
  std::string out;
  for (;;) {
    const auto row = statement->Step();
    if (!row) return row.error().message;
    if (!*row) return out;
    for (int i = 0; i < sqlite3_column_count(statement->get()); ++i)
      out.append(i ? "|" : "").append(statement->Text(i));
    out += "\n";
  }
}

// One trace per member: `front` calls `cart`, which takes as many ms as the member's number.
class UnionTest : public testing::TestWithParam<size_t> {
 protected:
  UnionTest() : members_(GetParam()) {
    for (size_t member = 0; member < GetParam(); ++member) {
      const auto n = static_cast<uint64_t>(member) + 1;
      const int64_t start = test::kShopNoon + static_cast<int64_t>(n) * kSecond;
      TraceBatch batch;
      batch.BeginTrace(0xabc, n);
      batch.AddSpan(n << 8, 0, WEFT_KIND_SERVER, "front", "GET /", start, start + 500'000'000);
      batch.AddSpan((n << 8) + 1, n << 8, WEFT_KIND_CLIENT, "front", "GET", start + 10,
                    start + 400'000'000);
      batch.AddSpan((n << 8) + 2, (n << 8) + 1, WEFT_KIND_SERVER, "cart", "GET /cart", start + 20,
                    start + 20 + static_cast<int64_t>(n) * kMillisecond);
      batch.table.Attribute("member", static_cast<int64_t>(member));
      members_.Write(member, batch, 1);
    }
    stores_ = std::move(*StoreSet::Open({members_.Pattern()}));
    auto db = OpenUnion(stores_);
    EXPECT_TRUE(db) << db.error().message;
    db_ = std::move(*db);
  }
  MemberStores members_;
  StoreSet stores_;
  Database db_;
};

TEST_P(UnionTest, EveryViewAnswersOverAllStores) {
  const std::string n = std::to_string(GetParam());
  EXPECT_EQ(Rows(db_, "SELECT count(*), sum(spans) FROM traces"),
            n + "|" + std::to_string(3 * GetParam()) + "\n");
  EXPECT_EQ(Rows(db_, "SELECT count(DISTINCT store) FROM spans"), n + "\n");
  EXPECT_EQ(Rows(db_, "SELECT service, count, max_ms FROM red ORDER BY service"),
            "cart|" + n + "|" + n + ".0\nfront|" + n + "|500.0\n");
  EXPECT_EQ(Rows(db_, "SELECT caller, callee, calls FROM service_graph ORDER BY 1"),
            "|front|" + n + "\nfront|cart|" + n + "\n");
  EXPECT_EQ(Rows(db_, "SELECT sum(total_ms), max(traces) FROM latency"),
            std::to_string(500 * GetParam()) + ".0|" + n + "\n");
  EXPECT_EQ(Rows(db_, "SELECT count(*) FROM processes"), "2\n") << "the same processes in all";
  EXPECT_EQ(Rows(db_, "SELECT value FROM attributes WHERE key = 'member' ORDER BY value LIMIT 2"),
            "0\n1\n");
  for (const char* view : {"links", "decisions", "otel_traces", "edges", "slow_traces", "requests",
                           "self_time", "critical_path", "latency", "network_time", "completeness",
                           "rules", "service_graph_minutes"})
    EXPECT_NE(Rows(db_, "SELECT count(*) FROM " + std::string(view)), "0\n") << view;
  for (const char* view : {"candidates", "ledger", "error_causes", "orphans", "late_spans"})
    EXPECT_EQ(Rows(db_, "SELECT count(*) FROM " + std::string(view)), "0\n") << view;
}

TEST_P(UnionTest, OrderIsThatOfOneStore) {
  EXPECT_EQ(Rows(db_,
                 "SELECT substr(trace_id, 32) FROM traces WHERE start_ns >= 1700000001000000000"
                 " ORDER BY start_ns LIMIT 2"),
            "1\n2\n");
  const auto last = std::to_string(GetParam());
  EXPECT_EQ(Rows(db_,
                 "SELECT duration_ms FROM spans WHERE service = 'cart'"
                 " ORDER BY duration_ms DESC, span_id LIMIT 1"),
            last + ".0\n");
}

TEST_P(UnionTest, ConditionsReachTheIndexesOfEachStore) {
  const std::string plan =
      Rows(db_,
           "EXPLAIN QUERY PLAN SELECT service FROM spans"
           " WHERE trace_id = '0000000000000abc0000000000000001' AND duration_ns > 5");
  const size_t at = plan.find("SELECT ");
  ASSERT_NE(at, plan.npos) << plan;
  for (const Database& store : stores_)
    EXPECT_NE(Rows(store, "EXPLAIN QUERY PLAN " + plan.substr(at))
                  .find("SEARCH t USING INDEX trace_by_id (<expr>=?)"),
              std::string::npos)
        << plan;
}

TEST_P(UnionTest, AJoinAsksEachStoreByKey) {
  EXPECT_EQ(Rows(db_,
                 "SELECT count(*) FROM traces t JOIN spans s ON s.trace_id = t.trace_id"
                 " JOIN links l ON l.child = s.span_id AND l.trace_id = t.trace_id"
                 " WHERE t.duration_ms > 100"),
            std::to_string(2 * GetParam()) + "\n");
  const std::string plan = Rows(
      db_, "EXPLAIN QUERY PLAN SELECT * FROM traces t JOIN spans s ON s.trace_id = t.trace_id");
  EXPECT_NE(plan.find("WHERE \"trace_id\" = ?1"), plan.npos) << plan;
}

TEST_P(UnionTest, IsReadOnly) {
  EXPECT_NE(Rows(db_, "CREATE TABLE x(y)").find("readonly"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Stores, UnionTest, testing::Values(2, 12),
                         [](const auto& param) { return std::to_string(param.param); });

TEST(ServiceGraph, IsTheSameAsTheView) {
  const test::ShopStore shop;
  const auto stores = StoreSet::Open({shop.path()});
  const auto graph = ReadServiceGraph(*stores, INT64_MIN, INT64_MAX);
  ASSERT_TRUE(graph) << graph.error().message;
  EXPECT_EQ(graph->one_in, 1u);
  std::string lines;
  for (const GraphEdge& e : graph->edges)
    lines += e.caller + "|" + e.callee + "|" + std::to_string(e.calls) + "|" +
             std::to_string(e.errors) + "|" + std::to_string(e.p50_ns) + "\n";
  EXPECT_EQ(lines, Rows(shop.db,
                        "SELECT caller, callee, calls, errors, CAST(p50_ms * 1e6 AS INTEGER)"
                        " FROM service_graph ORDER BY calls DESC, 1, 2"));
}

// Two kinds of requests that take turns, as a health check and a user may.
TEST(ServiceGraph, OfManyTracesIsEstimatedFromSome) {
  test::TraceBatch batch;
  constexpr uint64_t kTraces = 6'000;
  for (uint64_t i = 0; i < kTraces; ++i) {
    const int64_t at = test::kShopNoon + static_cast<int64_t>(i) * 1'000'000;
    batch.BeginTrace(i + 1, 1);
    batch.AddSpan(2 * i + 1, 0, WEFT_KIND_SERVER, i % 2 == 0 ? "even" : "odd", "GET /", at,
                  at + 500'000, i % 10 == 0 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
  }
  const test::ShopStore shop(batch);
  const auto stores = StoreSet::Open({shop.path()});
  const auto graph = ReadServiceGraph(*stores, INT64_MIN, INT64_MAX, 1'500);
  ASSERT_TRUE(graph) << graph.error().message;
  EXPECT_EQ(graph->one_in, 4u);
  ASSERT_EQ(graph->edges.size(), 2u);
  for (const GraphEdge& edge : graph->edges)
    EXPECT_NEAR(static_cast<double>(edge.calls), kTraces / 2, 300) << edge.callee;
  // Of a part of the time as many as there are room for: all.
  const auto part = ReadServiceGraph(*stores, test::kShopNoon,
                                     test::kShopNoon + 1'000 * int64_t{1'000'000}, 1'500);
  ASSERT_TRUE(part);
  EXPECT_EQ(part->one_in, 1u);
  EXPECT_EQ(part->edges[0].calls + part->edges[1].calls, 1'000u);
}

}  // namespace
}  // namespace weft::sql
