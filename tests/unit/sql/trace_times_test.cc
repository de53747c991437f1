#include "sql/trace_times.h"

#include <map>
#include <random>

#include "tests/support/shop_store.h"

namespace weft::sql {
namespace {

// Trees with spans beside, after, inside and outside each other, missing parents and open spans.
test::TraceBatch RandomTraces(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto below = [&](uint64_t n) { return static_cast<int64_t>(random() % n); };
  test::TraceBatch batch;
  for (uint64_t trace = 1; trace <= 20; ++trace) {
    batch.BeginTrace(seed, trace);
    const auto n = static_cast<uint64_t>(1 + below(30));
    for (uint64_t i = 0; i < n; ++i) {
      uint64_t parent =
          i == 0 ? 0 : trace << 16 | static_cast<uint64_t>(below(static_cast<int64_t>(i)) + 1);
      if (i > 0 && below(15) == 0) parent = 0xdead0000 + i;
      const int64_t start = i == 0 ? 1'000 : 1'000 + below(500) * 10;
      const int64_t end = below(20) == 0 && i > 0 ? 0 : start + (i == 0 ? 5'000 : below(300) * 10);
      batch.AddSpan(trace << 16 | (i + 1), parent, i % 2 ? WEFT_KIND_CLIENT : WEFT_KIND_SERVER, "s",
                    "o", start, end, below(4) == 0 ? WEFT_STATUS_ERROR : WEFT_STATUS_UNSET);
    }
  }
  return batch;
}

std::map<int64_t, int64_t> Rows(const Database& db, const std::string& sql) {
  std::map<int64_t, int64_t> rows;
  auto statement = db.Prepare(sql);
  EXPECT_TRUE(statement) << statement.error().message;
  for (auto row = statement->Step(); row && *row; row = statement->Step())
    rows[statement->Int(0)] = statement->Int(1);
  return rows;
}

TEST(TraceTimes, AreThoseOfTheViews) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const test::ShopStore store(RandomTraces(seed));
    const auto self = Rows(store.db, "SELECT row, self_ns FROM self_time");
    const auto path = Rows(store.db, "SELECT row, own_ns FROM critical_path");
    const auto causes = Rows(store.db, "SELECT row, first FROM error_causes");
    const auto traces = Rows(store.db, "SELECT row, 0 FROM traces");
    for (const auto& [trace, ignored] : traces) {
      const auto spans = ReadSpans(store.db, trace);
      const auto times = TimesOf(*spans);
      int64_t sum = 0, root = 0;
      for (size_t i = 0; i < spans->size(); ++i) {
        const StoredSpan& span = (*spans)[i];
        const auto in_view = self.find(span.row);
        EXPECT_EQ(times[i].self_ns, in_view == self.end() ? 0 : in_view->second) << span.row;
        EXPECT_EQ(times[i].on_path, path.contains(span.row)) << span.row;
        if (!times[i].on_path) continue;
        EXPECT_EQ(times[i].path_ns, path.at(span.row)) << span.row;
        sum += times[i].path_ns;
        if (span.parent_id == 0 || times[i].orphan) root = span.duration_ns;
      }
      EXPECT_EQ(sum, root);
      for (const size_t cause : ErrorCauses(*spans))
        EXPECT_TRUE(causes.contains((*spans)[cause].row)) << (*spans)[cause].row;
    }
  }
}

TEST(TraceTimes, ASpanThatIsItsOwnParentIsNoRoot) {
  std::vector<StoredSpan> spans(1);
  spans[0].span_id = spans[0].parent_id = 7;
  spans[0].duration_ns = 5;
  EXPECT_FALSE(TimesOf(spans)[0].on_path);
  EXPECT_TRUE(TimesOf({}).empty());
}

}  // namespace
}  // namespace weft::sql
