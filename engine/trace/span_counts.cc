#include "engine/trace/span_counts.h"

namespace weft::trace {
namespace {

using Connection = SpanSeries::Connection;

constexpr uint32_t kUser = 0;  // the empty string, which is no service's name

bool IsCaller(uint8_t kind) { return kind == WEFT_KIND_CLIENT || kind == WEFT_KIND_PRODUCER; }
bool IsCallee(uint8_t kind) { return kind == WEFT_KIND_SERVER || kind == WEFT_KIND_CONSUMER; }

// Exact: a batch has fewer strings than that.
uint64_t KeyOf(uint32_t a, uint32_t b, uint32_t small) {
  return uint64_t{a} << 36 | uint64_t{b} << 8 | small;
}

// `kept`: the row's trace as an exemplar, without times; null where it was sampled out.
void Observe(const api::SpanTable& spans, uint32_t row, const SpanSeries::Exemplar* kept,
             SpanSeries::Durations* durations) {
  const int64_t duration = spans.end_ns[row] - spans.start_ns[row];
  if (kept == nullptr) return durations->Observe(duration, nullptr);
  const SpanSeries::Exemplar one{kept->trace_hi, kept->trace_lo, duration, spans.end_ns[row]};
  durations->Observe(duration, &one);
}

}  // namespace

void SpanCounts::AddOperation(const api::SpanTable& spans, uint32_t row,
                              const SpanSeries::Exemplar* kept) {
  const uint32_t kind = spans.kind[row], status = spans.status[row];
  const auto [slot, fresh] =
      operation_slots_.Insert(KeyOf(spans.service[row], spans.operation[row], kind << 4 | status));
  if (fresh) {
    *slot = static_cast<uint32_t>(operations_.size());
    operations_.emplace_back(row, SpanSeries::OperationChange{});
  }
  Observe(spans, row, kept, &operations_[*slot].second.durations);
}

SpanSeries::EdgeChange& SpanCounts::EdgeOf(uint32_t client, uint32_t server,
                                           Connection connection) {
  const auto [slot, fresh] =
      edge_slots_.Insert(KeyOf(client, server, static_cast<uint32_t>(connection)));
  if (fresh) {
    *slot = static_cast<uint32_t>(edges_.size());
    edges_.push_back({client, server, connection, {}});
  }
  return edges_[*slot].change;
}

bool SpanCounts::IsDatabase(const api::SpanTable& spans, uint32_t row) const {
  if (is_database_.empty()) return false;
  for (uint32_t i = spans.attr_offset[row]; i < spans.attr_offset[row + 1]; ++i)
    if (is_database_[spans.attr[i]] != 0) return true;
  return false;
}

void SpanCounts::AddTrace(const ExportBatch& batch, uint32_t first, uint32_t n,
                          const SpanSeries::Exemplar* kept) {
  const api::SpanTable& spans = batch.spans;
  rows_.Clear();
  answered_.assign(n, 0);
  for (uint32_t row = first; row < first + n; ++row)
    if (IsCaller(spans.kind[row])) rows_[spans.span_id[row]] = row;
  const auto ended = [&](uint32_t row) { return (spans.flags[row] & WEFT_FLAG_OPEN) == 0; };
  for (uint32_t row = first; row < first + n; ++row) {
    if (!ended(row)) continue;
    AddOperation(spans, row, kept);
    if (!IsCallee(spans.kind[row])) continue;
    const uint64_t parent = spans.parent_id[row];
    const uint32_t* caller = parent == 0 ? nullptr : rows_.Find(parent);
    if (caller == nullptr && parent != 0) continue;  // its parent is an inner span, or not here
    const bool messaging = spans.kind[row] == WEFT_KIND_CONSUMER;
    SpanSeries::EdgeChange& edge =
        caller == nullptr ? EdgeOf(kUser, spans.service[row], Connection::kVirtualNode)
                          : EdgeOf(spans.service[*caller], spans.service[row],
                                   messaging ? Connection::kMessaging : Connection::kTraced);
    bool failed = spans.status[row] == WEFT_STATUS_ERROR;
    Observe(spans, row, kept, &edge.server);
    if (caller != nullptr) {
      answered_[*caller - first] = 1;
      failed |= spans.status[*caller] == WEFT_STATUS_ERROR;
      if (ended(*caller)) Observe(spans, *caller, kept, &edge.client);
    }
    ++edge.requests;
    edge.failed += failed;
  }
  for (uint32_t row = first; row < first + n; ++row) {
    if (!IsCaller(spans.kind[row]) || answered_[row - first] != 0 || !ended(row)) continue;
    const uint32_t peer = spans.peer[row] != 0 ? spans.peer[row] : spans.remote_address[row];
    if (peer == 0) continue;
    SpanSeries::EdgeChange& edge =
        EdgeOf(spans.service[row], peer,
               IsDatabase(spans, row) ? Connection::kDatabase : Connection::kVirtualNode);
    Observe(spans, row, kept, &edge.client);
    ++edge.requests;
    edge.failed += spans.status[row] == WEFT_STATUS_ERROR;
  }
}

void SpanCounts::Add(const ExportBatch& batch, const std::vector<uint8_t>& count,
                     const std::vector<uint8_t>& kept, int64_t now_ns) {
  const api::SpanTable& spans = batch.spans;
  operation_slots_.Clear();
  edge_slots_.Clear();
  operations_.clear();
  edges_.clear();
  is_database_.clear();
  for (uint32_t i = 0; i < spans.pairs.size(); ++i) {
    const std::string_view key = spans.strings.Text(spans.pairs.key[i]);
    if (key != "db.system" && key != "db.system.name") continue;
    is_database_.resize(spans.pairs.size());
    is_database_[i] = 1;
  }
  const TraceRows& traces = batch.traces;
  for (uint32_t i = 0; i < traces.n(); ++i) {
    if (count[i] == 0) continue;
    const SpanSeries::Exemplar exemplar{traces.trace_hi[i], traces.trace_lo[i], 0, 0};
    AddTrace(batch, traces.first_row[i], traces.n_rows[i], kept[i] != 0 ? &exemplar : nullptr);
  }
  Flush(batch, now_ns);
}

void SpanCounts::Flush(const ExportBatch& batch, int64_t now_ns) {
  const api::SpanTable& spans = batch.spans;
  const auto text = [&](uint32_t index) { return std::string(spans.strings.Text(index)); };
  std::vector<std::pair<SpanSeries::Operation, SpanSeries::OperationChange>> operations;
  operations.reserve(operations_.size());
  for (const auto& [row, change] : operations_) {
    std::string operation = text(spans.operation[row]);
    if (rules_ != nullptr) rules_->Hide(operation, false, &operation);
    operations.emplace_back(SpanSeries::Operation{text(spans.service[row]), std::move(operation),
                                                  spans.kind[row], spans.status[row]},
                            change);
  }
  std::vector<std::pair<SpanSeries::Edge, SpanSeries::EdgeChange>> edges;
  edges.reserve(edges_.size());
  for (const EdgeTexts& e : edges_)
    edges.emplace_back(
        SpanSeries::Edge{e.client == kUser ? "user" : text(e.client), text(e.server), e.connection},
        e.change);
  series_.Add(operations, edges, now_ns);
}

}  // namespace weft::trace
