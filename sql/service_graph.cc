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

// The rows of the slices that the time touches.
Result<void> AddCalls(const Database& db, int64_t from_ns, int64_t to_ns, CallsByEdge* edges) {
  Result<Statement> rows = db.Prepare(
      "WITH bounds AS (SELECT min(first_trace) AS low, max(id) AS last FROM slices"
      "  WHERE max_start_ns >= ?1 AND min_start_ns < ?2),"
      " range AS (SELECT low, coalesce((SELECT min(first_trace) FROM slices"
      "  WHERE id > last), 9223372036854775807) AS high FROM bounds)"
      " SELECT caller, callee, error, duration_ns FROM edges"
      " WHERE trace >= (SELECT low FROM range) AND trace < (SELECT high FROM range)"
      "  AND start_ns >= ?1 AND start_ns < ?2 AND duration_ns IS NOT NULL");
  if (!rows) return std::unexpected(rows.error());
  rows->Bind(1, from_ns);
  rows->Bind(2, to_ns);
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

Result<std::vector<GraphEdge>> ReadServiceGraph(const StoreSet& stores, int64_t from_ns,
                                                int64_t to_ns) {
  CallsByEdge calls;
  for (const Database& db : stores) WEFT_TRY(AddCalls(db, from_ns, to_ns, &calls));
  for (const Database& db : stores) WEFT_TRY(MarkTraced(db, &calls));
  std::vector<GraphEdge> edges;
  for (auto& [edge, c] : calls) {
    std::ranges::sort(c.durations_ns);
    edges.push_back({edge.first, edge.second, c.traced, c.durations_ns.size(), c.errors,
                     Percentile(c.durations_ns, 50), Percentile(c.durations_ns, 95)});
  }
  std::ranges::stable_sort(edges, [](const GraphEdge& a, const GraphEdge& b) {
    return std::tie(b.calls, a.caller, a.callee) < std::tie(a.calls, b.caller, b.callee);
  });
  return edges;
}

}  // namespace weft::sql
