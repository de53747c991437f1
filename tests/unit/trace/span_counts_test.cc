// SpanCounts: what Prometheus is told of all traffic.
#include "engine/trace/span_counts.h"

#include <gmock/gmock.h>

namespace weft::trace {
namespace {

using Connection = SpanSeries::Connection;

class SpanCountsTest : public testing::Test {
 protected:
  SpanCountsTest() { series_.SetLimit(100); }

  void Trace(uint64_t id) { batch_.traces.AddTrace(id, id, batch_.spans.n()); }
  uint32_t Span(uint64_t id, uint64_t parent, weft_kind kind, std::string_view service,
                std::string_view operation, int64_t duration_ns,
                weft_status status = WEFT_STATUS_UNSET, uint32_t flags = 0) {
    const uint32_t row = batch_.spans.AddRow();
    batch_.spans.span_id[row] = id;
    batch_.spans.parent_id[row] = parent;
    batch_.spans.kind[row] = static_cast<uint8_t>(kind);
    batch_.spans.status[row] = static_cast<uint8_t>(status);
    batch_.spans.flags[row] = flags;
    batch_.spans.service[row] = batch_.spans.Intern(service);
    batch_.spans.operation[row] = batch_.spans.Intern(operation);
    batch_.spans.start_ns[row] = 1'000'000'000;
    batch_.spans.end_ns[row] = 1'000'000'000 + duration_ns;
    batch_.traces.AddSpan(batch_.spans, row, parent == 0);
    return row;
  }
  SpanSeries::Snapshot Count(bool kept = true) {
    const std::vector<uint8_t> all(batch_.traces.n(), 1), keep(batch_.traces.n(), kept);
    counts_.Add(batch_, all, keep, ++now_);
    return series_.Read();
  }

  SpanSeries series_;
  SpanCounts counts_{series_, nullptr};
  ExportBatch batch_;
  int64_t now_ = 0;
};

TEST_F(SpanCountsTest, CountsOperationsByKindAndStatus) {
  Trace(1);
  Span(1, 0, WEFT_KIND_SERVER, "shop", "GET /", 3'000'000);
  Trace(2);
  Span(2, 0, WEFT_KIND_SERVER, "shop", "GET /", 7'000'000);
  Span(3, 0, WEFT_KIND_SERVER, "shop", "GET /", 1, WEFT_STATUS_ERROR);
  Span(4, 0, WEFT_KIND_SERVER, "shop", "GET /", 1, WEFT_STATUS_UNSET, WEFT_FLAG_OPEN);
  const auto seen = Count();
  ASSERT_EQ(seen.operations.size(), 2u);
  EXPECT_EQ(seen.operations[0].first.status, WEFT_STATUS_UNSET);
  EXPECT_EQ(seen.operations[0].second.durations.count(), 2u);
  EXPECT_EQ(seen.operations[0].second.durations.values.sum_ns, 10'000'000u);
  EXPECT_EQ(seen.operations[1].second.durations.count(), 1u);
}

TEST_F(SpanCountsTest, AnEdgeIsACallFromOneServiceToAnother) {
  Trace(1);
  Span(1, 0, WEFT_KIND_SERVER, "web", "GET /", 9);
  Span(2, 1, WEFT_KIND_CLIENT, "web", "GET", 8);
  Span(3, 2, WEFT_KIND_SERVER, "cart", "GET /cart", 7, WEFT_STATUS_ERROR);
  const uint32_t redis = Span(4, 3, WEFT_KIND_CLIENT, "cart", "HGET", 5);
  batch_.spans.Attribute("db.system", "redis");
  batch_.spans.peer[redis] = batch_.spans.Intern("10.0.0.7:6379");
  const uint32_t other = Span(5, 3, WEFT_KIND_CLIENT, "cart", "GET", 6);
  batch_.spans.remote_address[other] = batch_.spans.Intern("192.0.2.1");
  const auto edges = Count().edges;
  const auto find = [&](std::string client, std::string server, Connection connection) {
    for (const auto& [edge, change] : edges)
      if (edge == SpanSeries::Edge{client, server, connection}) return change;
    ADD_FAILURE() << client << " " << server;
    return SpanSeries::EdgeChange{};
  };
  EXPECT_EQ(edges.size(), 4u);
  EXPECT_EQ(find("user", "web", Connection::kVirtualNode).server.values.sum_ns, 9u);
  const auto call = find("web", "cart", Connection::kTraced);
  EXPECT_EQ(call.requests, 1u);
  EXPECT_EQ(call.failed, 1u);
  EXPECT_EQ(call.client.values.sum_ns, 8u);
  EXPECT_EQ(call.server.values.sum_ns, 7u);
  EXPECT_EQ(find("cart", "10.0.0.7:6379", Connection::kDatabase).client.values.sum_ns, 5u);
  EXPECT_EQ(find("cart", "192.0.2.1", Connection::kVirtualNode).requests, 1u);
}

TEST_F(SpanCountsTest, OnlyKeptTracesAreExemplars) {
  Trace(7);
  Span(1, 0, WEFT_KIND_SERVER, "shop", "GET /", 3'000'000);
  const auto exemplar = [](const SpanSeries::Snapshot& seen) {
    uint64_t trace = 0;
    for (const auto& e : seen.operations[0].second.durations.exemplar)
      if (e.at_unix_ns != 0) trace = e.trace_lo;
    return trace;
  };
  EXPECT_EQ(exemplar(Count(false)), 0u);
  EXPECT_EQ(exemplar(Count(true)), 7u);
}

TEST_F(SpanCountsTest, BeyondTheLimitOneSeriesTakesTheRest) {
  series_.SetLimit(4);
  for (uint64_t i = 1; i <= 50; ++i) {
    Trace(i);
    Span(i, 999, WEFT_KIND_INTERNAL, "shop", "op" + std::to_string(i), 1);
  }
  const auto seen = Count();
  ASSERT_EQ(seen.operations.size(), 5u);
  EXPECT_EQ(seen.operations.back().first, SpanSeries::Operation{});
  EXPECT_EQ(seen.operations.back().second.durations.count(), 46u);
}

TEST_F(SpanCountsTest, SeriesThatNobodyAddsToMakeRoom) {
  series_.SetLimit(1);
  Trace(1);
  Span(1, 999, WEFT_KIND_INTERNAL, "shop", "old", 1);
  Count();
  batch_ = {};
  now_ += SpanSeries::kIdleNs + kSecond;
  Trace(2);
  Span(2, 999, WEFT_KIND_INTERNAL, "shop", "new", 1);
  const auto seen = Count();
  ASSERT_EQ(seen.operations.size(), 1u);
  EXPECT_EQ(seen.operations[0].first.operation, "new");
}

TEST_F(SpanCountsTest, SecretsInOperationsDoNotBecomeLabels) {
  auto rules = redact::Rules::Make({});
  ASSERT_TRUE(rules);
  SpanCounts counts(series_, *rules);
  Trace(1);
  Span(1, 999, WEFT_KIND_INTERNAL, "shop", "GET /?token=abc", 1);
  counts.Add(batch_, {1}, {1}, 1);
  EXPECT_EQ(series_.Read().operations.at(0).first.operation, "GET /?token=REDACTED");
}

}  // namespace
}  // namespace weft::trace
