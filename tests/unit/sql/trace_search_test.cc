#include "sql/trace_search.h"

#include <random>

#include "sql/span_class.h"
#include "tests/support/member_stores.h"
#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

std::vector<std::string> Found(const Database& db, const TraceFilter& filter) {
  const auto traces = SearchTraces(db, filter);
  EXPECT_TRUE(traces) << traces.error().message;
  std::vector<std::string> operations;
  for (const StoredTrace& trace : *traces) operations.push_back(trace.operation);
  return operations;
}

using Names = std::vector<std::string>;
const Names kBoth{"POST /order", "GET /cart/{id}"}, kOrder{"POST /order"}, kCart{"GET /cart/{id}"};

TEST(TraceSearch, NewestComeFirstAndTheLimitHolds) {
  const test::ShopStore store;
  EXPECT_EQ(Found(store.db, {}), kBoth);
  TraceFilter one;
  one.limit = 1;
  EXPECT_EQ(Found(store.db, one), kOrder);
}

TEST(TraceSearch, FindsWhatWasStoredAfterATrace) {
  const test::ShopStore store;
  TraceFilter filter;
  filter.after_row = 1;
  const Names later = Found(store.db, filter);
  ASSERT_EQ(later.size(), 1u);
  filter.errors = later == kOrder;  // by another way
  filter.min_duration_ns = 1;
  EXPECT_EQ(Found(store.db, filter), later);
  filter.service = "cart";
  filter.errors = false;
  EXPECT_EQ(Found(store.db, filter), later);
  filter.after_row = 2;
  EXPECT_EQ(Found(store.db, filter), Names{});
  filter = {};
  filter.after_row = 2;
  EXPECT_EQ(Found(store.db, filter), Names{});
}

TEST(TraceSearch, FiltersByServiceOperationDurationAndErrors) {
  const test::ShopStore store;
  TraceFilter filter;
  filter.service = "pay";
  EXPECT_EQ(Found(store.db, filter), kOrder);
  filter.service = "cart";
  EXPECT_EQ(Found(store.db, filter), kBoth);
  filter.min_duration_ns = 20'000'000;
  EXPECT_EQ(Found(store.db, filter), kCart);  // only there did cart take 33 ms
  filter.errors = true;
  EXPECT_EQ(Found(store.db, filter), Names{});
  filter = {};
  filter.errors = true;
  EXPECT_EQ(Found(store.db, filter), kOrder);
  filter = {};
  filter.max_duration_ns = 100'000'000;
  EXPECT_EQ(Found(store.db, filter), kCart);
  filter = {};
  filter.operation = "GET /cart";
  filter.max_duration_ns = 20'000'000;
  EXPECT_EQ(Found(store.db, filter), kOrder);
  filter.service = "nobody";
  EXPECT_EQ(Found(store.db, filter), Names{});
}

TEST(TraceSearch, FiltersByAttributesInSetsAndRows) {
  const test::ShopStore store;
  TraceFilter filter;
  filter.attributes = {{"http.response.status_code", "503"}};
  EXPECT_EQ(Found(store.db, filter), kOrder);
  filter.attributes.push_back({"url.path", "/order"});  // of another span
  EXPECT_EQ(Found(store.db, filter), Names{});
  filter.attributes = {{"weft.truth", "r1.1"}};
  EXPECT_EQ(Found(store.db, filter), kCart);
  filter.service = "front";
  filter.attributes = {{"url.path", "/cart/17"}};
  EXPECT_EQ(Found(store.db, filter), kCart);
}

TEST(TraceSearch, FiltersByTime) {
  const test::ShopStore store;
  TraceFilter filter;
  filter.from_ns = test::kShopNoon + 1;
  EXPECT_EQ(Found(store.db, filter), kOrder);
  filter.service = "front";
  EXPECT_EQ(Found(store.db, filter), kOrder);
  filter.from_ns = INT64_MIN;
  filter.to_ns = test::kShopNoon + 1;
  EXPECT_EQ(Found(store.db, filter), kCart);
  filter.to_ns = test::kShopNoon;
  EXPECT_EQ(Found(store.db, filter), Names{});
}

TEST(TraceSearch, GoesThroughTheBlocksNewestFirst) {
  test::MemberStores members(1);
  for (uint64_t batch = 1; batch <= 3; ++batch) {
    test::TraceBatch full;
    full.BeginTrace(1, batch);
    const auto start = test::kShopNoon + static_cast<int64_t>(batch) * 1'000'000;
    full.AddSpan(batch << 32, 0, WEFT_KIND_SERVER, "front", "r" + std::to_string(batch), start,
                 start + 9'000);
    for (uint64_t i = 1; i < kBlockSpans; ++i)
      full.AddSpan(batch << 32 | i, i, WEFT_KIND_SERVER, "cart", "GET", start, start + 1'000);
    full.AddSpan(batch << 32 | kBlockSpans, 1, WEFT_KIND_SERVER, "pay", std::to_string(batch),
                 start, start + 5'000, batch == 1 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
    members.Write(0, full, batch);
  }
  const auto db = Database::OpenForReading(members.Path(0));
  EXPECT_EQ(*db->QueryInt("SELECT count(DISTINCT id >> 33) FROM span_rows"), 3);
  TraceFilter filter;
  filter.service = "pay";
  EXPECT_EQ(Found(*db, filter), (Names{"r3", "r2", "r1"}));
  filter.limit = 2;
  EXPECT_EQ(Found(*db, filter), (Names{"r3", "r2"}));
  filter.errors = true;
  EXPECT_EQ(Found(*db, filter), Names{"r1"});
  filter = {};
  filter.operation = "2";
  EXPECT_EQ(Found(*db, filter), Names{"r2"});
  filter.operation = "GET";
  filter.min_duration_ns = 2'000;
  EXPECT_EQ(Found(*db, filter), Names{});
  EXPECT_EQ(*db->QueryInt("SELECT count(*) FROM spans WHERE service = 'pay'"), 3);
}

// Every filter against a plain scan.
TEST(TraceSearch, AgreesWithAFullScan) {
  std::mt19937_64 random(7);
  test::TraceBatch batch;
  for (uint64_t i = 1; i <= 400; ++i) {
    batch.BeginTrace(1, i);
    const int64_t start = test::kShopNoon + static_cast<int64_t>(i) * 1'000'000;
    for (uint64_t j = 0; j < 1 + random() % 4; ++j) {
      const auto duration = static_cast<int64_t>(1 << random() % 30);
      batch.AddSpan(i * 16 + j, j == 0 ? 0 : i * 16, WEFT_KIND_SERVER,
                    "s" + std::to_string(random() % 3), "o" + std::to_string(random() % 3), start,
                    start + duration, random() % 5 == 0 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
    }
  }
  const test::ShopStore store(batch);
  for (int round = 0; round < 200; ++round) {
    TraceFilter filter;
    filter.limit = 1'000;
    filter.service = "s" + std::to_string(random() % 3);
    if (random() % 2) filter.operation = "o" + std::to_string(random() % 3);
    if (random() % 2) filter.min_duration_ns = static_cast<int64_t>(random() % (1 << 22));
    if (random() % 2) filter.max_duration_ns = static_cast<int64_t>(random() % (1 << 30));
    filter.errors = random() % 2;
    std::string where = "service = '" + filter.service + "'";
    if (!filter.operation.empty()) where += " AND operation = '" + filter.operation + "'";
    if (filter.errors) where += " AND status = 'ERROR'";
    where += " AND duration_ns BETWEEN " + std::to_string(filter.min_duration_ns) + " AND " +
             std::to_string(filter.max_duration_ns);
    const auto count =
        store.db.QueryInt("SELECT count(DISTINCT trace_id) FROM spans WHERE " + where);
    ASSERT_TRUE(count);
    EXPECT_EQ(static_cast<int64_t>(Found(store.db, filter).size()), *count) << where;
  }
}

}  // namespace
}  // namespace weft::sql
