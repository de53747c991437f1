#include "sql/service_graph.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace weft::sql {
namespace {

struct Calls {
  bool traced = false;
  uint64_t errors = 0;
  std::vector<int64_t> durations_ns;
};
using CallsByEdge = std::map<std::pair<std::string, std::string>, Calls>;

// Of the slices that the time touches, so a little too many.
Result<uint64_t> CountSpans(const Database& db, int64_t from_ns, int64_t to_ns) {
  Result<Statement> spans = db.Prepare(
      "SELECT coalesce(sum(spans * min(1.0, (min(?2, max_start_ns) - max(?1, min_start_ns)"
      "  + 1.0) / (max_start_ns - min_start_ns + 1.0))), 0)"
      " FROM slices WHERE max_start_ns >= ?1 AND min_start_ns < ?2");
  if (!spans) return std::unexpected(spans.error());
  spans->Bind(1, from_ns);
  spans->Bind(2, to_ns);
  const Result<bool> row = spans->Step();
  if (!row) return std::unexpected(row.error());
  return static_cast<uint64_t>(std::max(0.0, spans->Double(0)));
}

// The rows of the slices that the time touches. Traces are numbered as they come, and what comes in
// turns must not be chosen in turns: hence the hash.
Result<void> AddCalls(const Database& db, int64_t from_ns, int64_t to_ns, uint64_t one_in,
                      CallsByEdge* edges) {
  Result<Statement> rows = db.Prepare(
      "WITH bounds AS (SELECT min(first_trace) AS low, max(id) AS last FROM slices"
      "  WHERE max_start_ns >= ?1 AND min_start_ns < ?2),"
      " range AS (SELECT low, coalesce((SELECT min(first_trace) FROM slices"
      "  WHERE id > last), 9223372036854775807) AS high FROM bounds)"
      " SELECT caller, callee, error, duration_ns FROM edges"
      " WHERE trace >= (SELECT low FROM range) AND trace < (SELECT high FROM range)"
      "  AND (((trace & 2147483647) * 2654435761) >> 16) % ?3 = 0"
      "  AND start_ns >= ?1 AND start_ns < ?2 AND duration_ns IS NOT NULL");
  if (!rows) return std::unexpected(rows.error());
  rows->Bind(1, from_ns);
  rows->Bind(2, to_ns);
  rows->Bind(3, static_cast<int64_t>(one_in));
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    Calls& calls = (*edges)[{std::string(rows->Text(0)), std::string(rows->Text(1))}];
    calls.errors += rows->Int(2) != 0;
    calls.durations_ns.push_back(rows->Int(3));
  }
}

Result<void> MarkTraced(const Database& db, CallsByEdge* edges) {
  Result<Statement> serves =
      db.Prepare("SELECT 1 FROM operations WHERE service = ?1 AND kind IN (2, 5)");
  if (!serves) return std::unexpected(serves.error());
  for (auto& [edge, calls] : *edges) {
    serves->Bind(1, std::string_view(edge.second));
    const Result<bool> any = serves->Step();
    if (!any) return std::unexpected(any.error());
    calls.traced |= *any;
    serves->Reset();
  }
  return {};
}

// Nearest rank, as the view service_graph.
int64_t Percentile(const std::vector<int64_t>& sorted, size_t percent) {
  return sorted[(sorted.size() * percent + 99) / 100 - 1];
}

}  // namespace

Result<ServiceGraph> ReadServiceGraph(const StoreSet& stores, int64_t from_ns, int64_t to_ns,
                                      uint64_t most_spans) {
  uint64_t spans = 0;
  for (const Database& db : stores) {
    const Result<uint64_t> some = CountSpans(db, from_ns, to_ns);
    if (!some) return std::unexpected(some.error());
    spans += *some;
  }
  ServiceGraph graph;
  graph.one_in = std::max<uint64_t>(1, (spans + most_spans - 1) / most_spans);
  CallsByEdge calls;
  for (const Database& db : stores) WEFT_TRY(AddCalls(db, from_ns, to_ns, graph.one_in, &calls));
  for (const Database& db : stores) WEFT_TRY(MarkTraced(db, &calls));
  std::vector<GraphEdge>& edges = graph.edges;
  for (auto& [edge, c] : calls) {
    std::ranges::sort(c.durations_ns);
    edges.push_back({edge.first, edge.second, c.traced, c.durations_ns.size() * graph.one_in,
                     c.errors * graph.one_in, Percentile(c.durations_ns, 50),
                     Percentile(c.durations_ns, 95)});
  }
  std::ranges::stable_sort(edges, [](const GraphEdge& a, const GraphEdge& b) {
    return std::tie(b.calls, a.caller, a.callee) < std::tie(a.calls, b.caller, b.callee);
  });
  return graph;
}

}  // namespace weft::sql
