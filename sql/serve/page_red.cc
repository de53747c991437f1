// GET /api/weft/red: rates, errors and durations of a service, an operation or all; and
// GET /api/weft/graph: who calls whom. Both without from and to: the last 15 minutes that are
// stored.
#include <algorithm>

#include "sql/serve/page_api.h"
#include "sql/serve/page_json.h"
#include "sql/serve/page_query.h"
#include "sql/serve/red_counts.h"
#include "sql/service_graph.h"

namespace weft::serve {
namespace {

constexpr int64_t kDefaultNs = 15 * 60 * kSecond;
constexpr size_t kMostOperations = 500;

// What was asked for, cut to what is stored.
Result<PageTimes> TimesOf(const PageQuestion& question, const sql::StoreSet& stores) {
  auto times = ParsePageTimes(question.request.target, question.clock.UnixNs());
  if (!times) return times;
  int64_t first = INT64_MAX, last = 0;
  for (const sql::Database& db : stores) {
    const auto newest = db.QueryInt(
        "SELECT max(start_ns + duration_ns) FROM (SELECT start_ns, duration_ns FROM trace_rows"
        " ORDER BY start_ns DESC LIMIT 1000)");  // one that began earlier may end later
    const auto oldest = db.QueryInt("SELECT min(start_ns) FROM trace_rows");
    if (!newest) return std::unexpected(newest.error());
    if (!oldest) return std::unexpected(oldest.error());
    if (*newest > 0) first = std::min(first, *oldest);
    last = std::max(last, *newest + 1);
  }
  if (first == INT64_MAX) first = last = question.clock.UnixNs();
  if (times->from_ns == INT64_MIN && times->to_ns == INT64_MAX) times->from_ns = last - kDefaultNs;
  times->from_ns = std::clamp(times->from_ns, first, last);
  times->to_ns = std::clamp(times->to_ns, times->from_ns + 1, std::max(last, times->from_ns + 1));
  return times;
}

void PutTotals(JsonOut& json, const RedTotals& totals) {
  json.Field("requests", totals.requests).Field("errors", totals.errors);
  json.Field("p50_ns", totals.Percentile(50)).Field("p95_ns", totals.Percentile(95));
  json.Field("p99_ns", totals.Percentile(99)).Field("max_ns", totals.max_ns);
}

void PutCounts(JsonOut& json, std::string_view name, const std::vector<uint64_t>& counts) {
  json.Key(name).Array();
  for (const uint64_t n : counts) json.Put(n);
  json.End();
}

}  // namespace

Result<Reply> AnswerRed(const PageQuestion& question) {
  const auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto times = TimesOf(question, lease->stores());
  if (!times) return std::unexpected(times.error());
  const Target& target = question.request.target;
  const auto red = CountRed(
      lease->stores(), {std::string(target.Get("service")), std::string(target.Get("operation")),
                        times->from_ns, times->to_ns});
  if (!red) return std::unexpected(red.error());
  JsonOut json;
  json.Object().Field("from_us", red->from_ns / 1'000).Field("step_us", red->step_ns / 1'000);
  json.Field("asked_from_us", times->from_ns / 1'000).Field("asked_to_us", times->to_ns / 1'000);
  json.Field("by_span", red->by_span).Key("buckets").Array();
  for (const RedTotals& totals : red->buckets) {
    json.Object();
    PutTotals(json, totals);
    json.End();
  }
  json.End().Key("operations").Array();
  std::vector<decltype(red->operations)::const_iterator> order;
  for (auto it = red->operations.begin(); it != red->operations.end(); ++it) order.push_back(it);
  std::ranges::stable_sort(order, [](const auto& a, const auto& b) {
    return a->second.totals.requests > b->second.totals.requests;
  });
  order.resize(std::min(order.size(), kMostOperations));
  for (const auto& it : order) {
    const auto& [name, operation] = *it;
    json.Object().Field("service", name.first).Field("operation", name.second);
    PutTotals(json, operation.totals);
    json.Field("estimated", operation.totals.estimated);
    PutCounts(json, "series", operation.requests);
    PutCounts(json, "failed", operation.errors);
    json.End();
  }
  json.End().End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

Result<Reply> AnswerGraph(const PageQuestion& question) {
  const auto lease = question.pool.Take();
  if (!lease) return std::unexpected(lease.error());
  const auto times = TimesOf(question, lease->stores());
  if (!times) return std::unexpected(times.error());
  const auto graph = sql::ReadServiceGraph(lease->stores(), times->from_ns, times->to_ns);
  if (!graph) return std::unexpected(graph.error());
  JsonOut json;
  json.Object().Field("from_us", times->from_ns / 1'000).Field("to_us", times->to_ns / 1'000);
  json.Field("one_in", graph->one_in);
  json.Key("edges").Array();
  for (const sql::GraphEdge& edge : graph->edges) {
    json.Object().Field("caller", edge.caller).Field("callee", edge.callee);
    json.Field("traced", edge.traced).Field("calls", edge.calls).Field("errors", edge.errors);
    json.Field("p50_ns", edge.p50_ns).Field("p95_ns", edge.p95_ns).End();
  }
  json.End().End();
  Reply reply;
  reply.body = std::move(json).Take();
  return reply;
}

}  // namespace weft::serve
