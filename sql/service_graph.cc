#include "sql/service_graph.h"

namespace weft::sql {

Result<std::vector<GraphEdge>> ReadServiceGraph(const Database& db, int64_t from_ns,
                                                int64_t to_ns) {
  // The same as the view service_graph, over the rows of the slices that the time touches.
  Result<Statement> rows = db.Prepare(
      "WITH bounds AS (SELECT min(first_trace) AS low, max(id) AS last FROM slices"
      "  WHERE max_start_ns >= ?1 AND min_start_ns < ?2),"
      " range AS (SELECT low << 20 AS low, coalesce((SELECT min(first_trace) << 20 FROM slices"
      "  WHERE id > last), 9223372036854775807) AS high FROM bounds),"
      " calls AS (SELECT caller, callee, error, duration_ns FROM edges"
      "  WHERE row >= (SELECT low FROM range) AND row < (SELECT high FROM range)"
      "  AND start_ns >= ?1 AND start_ns < ?2 AND duration_ns IS NOT NULL),"
      " ranked AS (SELECT *, row_number() OVER (PARTITION BY caller, callee ORDER BY duration_ns)"
      "  AS rank, count(*) OVER (PARTITION BY caller, callee) AS n FROM calls)"
      " SELECT caller, callee, callee IN (SELECT service FROM operations WHERE kind IN (2, 5)),"
      "  count(*) AS calls, sum(error), min(CASE WHEN rank >= n * 0.50 THEN duration_ns END),"
      "  min(CASE WHEN rank >= n * 0.95 THEN duration_ns END)"
      " FROM ranked GROUP BY caller, callee ORDER BY calls DESC, caller, callee");
  if (!rows) return std::unexpected(rows.error());
  rows->Bind(1, from_ns);
  rows->Bind(2, to_ns);
  std::vector<GraphEdge> edges;
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return edges;
    edges.push_back({std::string(rows->Text(0)), std::string(rows->Text(1)), rows->Int(2) != 0,
                     static_cast<uint64_t>(rows->Int(3)), static_cast<uint64_t>(rows->Int(4)),
                     rows->Int(5), rows->Int(6)});
  }
}

}  // namespace weft::sql
