// SpanCounts: counts the spans of closed traces into SpanSeries, kept or not.
//
// A call is an edge from the client span to the server span below it; a client span without one
// calls a node that is not traced (a database where its attributes say so), a server span without a
// parent is called by "user". Rows that are still open are not counted, and traces that were
// decided before a take-over were counted by the previous owner. One caller.
#pragma once

#include <memory>
#include <vector>

#include "engine/base/flat_map.h"
#include "engine/base/span_series.h"
#include "engine/redact/rules.h"
#include "engine/trace/export_batch.h"

namespace weft::trace {

class SpanCounts {
 public:
  // `rules` clean the names of operations; may be null. `series` outlives this.
  SpanCounts(SpanSeries& series, std::shared_ptr<const redact::Rules> rules)
      : series_(series), rules_(std::move(rules)) {}

  // `count[i]`: whether trace i is counted; `kept[i]`: whether it may be an exemplar.
  void Add(const ExportBatch& batch, const std::vector<uint8_t>& count,
           const std::vector<uint8_t>& kept, int64_t now_ns);

 private:
  struct EdgeTexts {
    uint32_t client, server;
    SpanSeries::Connection connection;
    SpanSeries::EdgeChange change;
  };
  void AddTrace(const ExportBatch& batch, uint32_t first, uint32_t n,
                const SpanSeries::Exemplar* kept);
  void AddOperation(const api::SpanTable& spans, uint32_t row, const SpanSeries::Exemplar* kept);
  SpanSeries::EdgeChange& EdgeOf(uint32_t client, uint32_t server,
                                 SpanSeries::Connection connection);
  bool IsDatabase(const api::SpanTable& spans, uint32_t row) const;
  void Flush(const ExportBatch& batch, int64_t now_ns);

  SpanSeries& series_;
  const std::shared_ptr<const redact::Rules> rules_;
  // Of one batch, by indices of its strings.
  FlatMap<uint32_t> operation_slots_, edge_slots_;
  std::vector<std::pair<uint32_t, SpanSeries::OperationChange>> operations_;  // a row of each
  std::vector<EdgeTexts> edges_;
  std::vector<uint8_t> is_database_;  // by pair; empty: none
  FlatMap<uint32_t> rows_;            // of one trace: span id -> row
  std::vector<uint8_t> answered_;     // of one trace: a client span with its server span
};

}  // namespace weft::trace
