#include "sinks/sqlite/trace_writer.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "engine/api/dictionary.h"
#include "sinks/jsonl/json_text.h"
#include "sql/span_class.h"

namespace weft::sinks {
namespace {

// More than these are cut off: the best ones explain a link, and a busy process has dozens.
constexpr uint32_t kMaxCandidates = 6;

template <typename T>
T At(const T* column, uint32_t row) {
  return column ? column[row] : T{};
}

void PutBigEndian(unsigned char* out, uint64_t value) {
  for (int i = 7; i >= 0; --i, value >>= 8) out[i] = static_cast<unsigned char>(value);
}

int64_t Thousandths(float share) {
  return std::isfinite(share) ? std::lround(std::clamp(share, 0.0f, 1.0f) * 1000) : 0;
}

// To two decimals, as AppendDouble writes them, which was a quarter of what a row of candidates
// costs.
void AppendHundredths(std::string& out, float value) {
  const double hundredths = std::round(static_cast<double>(value) * 100);
  if (!(std::abs(hundredths) < 1e9)) return AppendDouble(out, hundredths / 100);
  const auto whole = static_cast<uint32_t>(std::abs(hundredths));
  if (hundredths < 0) out.push_back('-');
  AppendUint(out, whole / 100);
  if (whole % 100 == 0) return;
  out.push_back('.');
  out.push_back(static_cast<char>('0' + whole % 100 / 10));
  if (whole % 10 != 0) out.push_back(static_cast<char>('0' + whole % 10));
}

// An open span is replaced by an ended one, and one that ended because its agent fell silent by one
// with the true end, if the agent came back.
int EndKnown(uint32_t flags) {
  if ((flags & WEFT_FLAG_OPEN) != 0) return 0;
  return (flags & WEFT_FLAG_AGENT_LOST) != 0 ? 1 : 2;
}

}  // namespace

Result<void> TraceWriter::Prepare(const sql::Database& db) {
  db_ = db.get();
  static constexpr std::string_view kSpanValues =
      "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
  // OR REPLACE makes SQLite keep a copy of every page that a row touches, which halves the speed:
  // only rows that do replace pay for it.
  const std::string insert = fmt::format("INSERT INTO span_rows {}", kSpanValues);
  const std::string replace = fmt::format("INSERT OR REPLACE INTO span_rows {}", kSpanValues);
  const sql::StatementText all[] = {
      {&add_span_, insert},
      {&replace_span_, replace},
      {&add_directory_,
       "INSERT INTO span_directory(first_trace, last_trace, prefixes) VALUES(?1, ?2, ?3)"},
      {&add_trace_,
       "INSERT INTO trace_rows VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) "
       "ON CONFLICT DO NOTHING"},
      {&add_candidates_, "INSERT OR REPLACE INTO candidate_rows VALUES(?1, ?2)"},
      {&find_trace_, "SELECT id FROM trace_rows WHERE lower(hex(trace_id)) = ?1"},
      {&load_spans_,
       "SELECT id, span_id, flags FROM span_rows WHERE id >= ?1 << 20 AND id < (?1 + 1) << 20"},
      {&summarize_,
       "SELECT count(*), min(s.start_ns), max(s.start_ns + coalesce(s.duration_ns, 0)),"
       " sum(s.status = 2), max(CASE WHEN s.parent_id = 0 OR s.flags & 8 THEN s.operation END),"
       " max(s.flags & 1)"
       " FROM span_rows s WHERE s.id >= ?1 << 20 AND s.id < (?1 + 1) << 20"},
      {&update_trace_,
       "UPDATE trace_rows SET spans = ?2, start_ns = ?3, duration_ns = ?4, errors = ?5,"
       " operation = coalesce(operation, ?6), class = ?7, flags = (flags | ?8) & ~1 | ?9"
       " WHERE id = ?1"},
      {&counted_,
       "SELECT s.operation, s.start_ns, s.duration_ns, s.status = 2 FROM span_rows s"
       " JOIN operations o ON o.id = s.operation"
       " WHERE s.id = ?1 AND o.kind IN (2, 5) AND s.duration_ns IS NOT NULL"},
      {&last_trace_,
       "SELECT max((SELECT coalesce(max(id), 0) FROM trace_rows),"
       " (SELECT coalesce(max(first_trace), 1) - 1 FROM slices))"},
  };
  WEFT_TRY(db.PrepareAll(all));
  WEFT_TRY(dictionaries_.Prepare(db));
  WEFT_TRY(attributes_.Prepare(db));
  WEFT_TRY(minutes_.Prepare(db));
  WEFT_TRY(directory_.Prepare(db));
  WEFT_TRY(merger_.Prepare(db));
  WEFT_TRY(classes_.Prepare(db));
  WEFT_TRY(last_trace_.Step());
  next_trace_ = last_trace_.Int(0) + 1;
  last_trace_.Reset();
  return {};
}

void TraceWriter::Forget() {
  dictionaries_.Forget();
  attributes_.Forget();
  minutes_.Forget();
  merger_.Forget();
  classes_.Forget();
}

void TraceWriter::Begin(const weft_spans& spans, const weft_traces& traces, int64_t slice) {
  spans_ = &spans;
  traces_ = &traces;
  slice_ = slice;
  dictionaries_.Begin(spans, slice);
  attributes_.Begin(spans);
  if (block_spans_ >= sql::kBlockSpans) {
    const int64_t block = ((next_trace_ - 1) >> sql::kBlockShift) + 1;
    next_trace_ = std::max(next_trace_, block << sql::kBlockShift);
    block_spans_ = 0;
  }
  block_spans_ += spans.n;
  first_trace_ = next_trace_;
  directory_.Begin(first_trace_);
  prefixes_.clear();
}

Result<void> TraceWriter::Finish() {
  WEFT_TRY(minutes_.Flush(slice_));
  WEFT_TRY(directory_.Finish());
  if (next_trace_ > first_trace_) WEFT_TRY(merger_.Add(first_trace_));
  WEFT_TRY(classes_.Finish(next_trace_ << sql::kTraceShift));
  return prefixes_.empty() ? Result<void>{}
                           : AddDirectory(first_trace_, next_trace_ - 1, prefixes_);
}

Result<void> TraceWriter::AddDirectory(int64_t first_trace, int64_t last_trace,
                                       std::string& prefixes) {
  add_directory_.Bind(1, first_trace);
  add_directory_.Bind(2, last_trace);
  add_directory_.BindBlob(3, prefixes);
  auto done = add_directory_.Run();
  prefixes.clear();
  return done;
}

Result<void> TraceWriter::Write(uint32_t trace, Counts& counts) {
  const uint32_t begin = traces_->first_row[trace], end = begin + traces_->n_rows[trace];
  weight_ = traces_->weight ? traces_->weight[trace] : 1.0;
  const Result<bool> added = AddTrace(trace);
  if (!added) return std::unexpected(added.error());
  if (!*added) {
    const Result<int64_t> id = FindTrace(trace);
    if (!id) return std::unexpected(id.error());
    return Join(trace, *id, At(traces_->flags, trace) | WEFT_FLAG_LATE, counts);
  }
  const int64_t id = next_trace_++;
  ++counts.traces;
  counts.min_start_ns = std::min(counts.min_start_ns, traces_->start_ns[trace]);
  counts.max_start_ns = std::max(counts.max_start_ns, traces_->start_ns[trace]);
  // Only a trace with open or late rows can hold two rows of one span.
  const bool plain = (At(traces_->flags, trace) & (WEFT_FLAG_OPEN | WEFT_FLAG_LATE)) == 0 &&
                     traces_->n_rows[trace] < (1u << sql::kTraceShift);
  if (!plain) return Join(trace, id, At(traces_->flags, trace), counts);
  for (uint32_t row = begin; row < end; ++row) {
    WEFT_TRY(AddSpan(row, (id << sql::kTraceShift) + (row - begin)));
    sql::AppendSpanIdPrefix(prefixes_, spans_->span_id[row]);
  }
  counts.spans += end - begin;
  return {};
}

Result<bool> TraceWriter::AddTrace(uint32_t trace) {
  const weft_traces& t = *traces_;
  unsigned char trace_id[16];
  PutBigEndian(trace_id, t.trace_hi[trace]);
  PutBigEndian(trace_id + 8, t.trace_lo[trace]);
  const int64_t start = t.start_ns[trace];
  const int64_t duration = std::max<int64_t>(t.end_ns[trace] - start, 0);
  add_trace_.Bind(1, next_trace_);
  add_trace_.BindBlob(2, {reinterpret_cast<const char*>(trace_id), sizeof trace_id});
  add_trace_.Bind(3, start);
  add_trace_.Bind(4, duration);
  if (t.root_row && t.root_row[trace] != WEFT_NONE) {
    const Result<int64_t> operation = dictionaries_.Operation(t.root_row[trace]);
    if (!operation) return std::unexpected(operation.error());
    add_trace_.Bind(5, *operation);
  } else {
    add_trace_.BindNull(5);
  }
  const auto errors = static_cast<int64_t>(At(t.n_errors, trace));
  add_trace_.Bind(6, int64_t{sql::SpanClass(duration, errors != 0)});
  add_trace_.Bind(7, static_cast<int64_t>(t.n_rows[trace]));
  add_trace_.Bind(8, errors);
  add_trace_.Bind(9, static_cast<int64_t>(At(t.flags, trace) | Resumed(trace)));
  add_trace_.Bind(10, weight_);
  const std::string_view rule =
      t.rule ? api::View(spans_->strings[t.rule[trace]]) : std::string_view{};
  if (rule.empty()) {
    add_trace_.BindNull(11);
  } else {
    const Result<int64_t> name = dictionaries_.Name(rule);
    if (!name) return std::unexpected(name.error());
    add_trace_.Bind(11, *name);
  }
  WEFT_TRY(add_trace_.Run());
  return sqlite3_changes(db_) == 1;
}

// A trace that is new here and late, decided by an earlier owner, or without a root may be a
// remainder: another member's store has the rest.
uint32_t TraceWriter::Resumed(uint32_t trace) const {
  const bool rooted = traces_->root_row && traces_->root_row[trace] != WEFT_NONE;
  const bool late = (At(traces_->flags, trace) & WEFT_FLAG_LATE) != 0;
  return late || !rooted ? WEFT_FLAG_RESUMED : 0;
}

Result<int64_t> TraceWriter::FindTrace(uint32_t trace) {
  hex_.clear();
  AppendHex(hex_, traces_->trace_hi[trace]);
  AppendHex(hex_, traces_->trace_lo[trace]);
  find_trace_.Bind(1, std::string_view(hex_));
  const Result<bool> found = find_trace_.Step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return Fail(Code::kCorrupt, "the index trace_by_id and its table disagree");
  const int64_t id = find_trace_.Int(0);
  find_trace_.Reset();
  return id;
}

Result<void> TraceWriter::Load(int64_t id) {
  stored_.clear();
  next_row_ = id << sql::kTraceShift;
  load_spans_.Bind(1, id);
  for (;;) {
    const Result<bool> more = load_spans_.Step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    const int64_t row = load_spans_.Int(0);
    stored_[static_cast<uint64_t>(load_spans_.Int(1))] = {
        row, EndKnown(static_cast<uint32_t>(load_spans_.Int(2)))};
    next_row_ = row + 1;
  }
}

Result<void> TraceWriter::Join(uint32_t trace, int64_t id, uint32_t flags, Counts& counts) {
  WEFT_TRY(Load(id));
  joined_prefixes_.clear();
  bool changed = false;
  const int64_t limit = (id + 1) << sql::kTraceShift;
  const uint32_t begin = traces_->first_row[trace], end = begin + traces_->n_rows[trace];
  for (uint32_t row = begin; row < end; ++row) {
    const int end_known = EndKnown(spans_->flags[row]);
    const auto [known, fresh] = stored_.try_emplace(spans_->span_id[row], next_row_, end_known);
    if (fresh) {
      if (next_row_ >= limit) {
        ++counts.overflow;
        stored_.erase(known);
        continue;
      }
      ++next_row_;
      ++counts.spans;
      sql::AppendSpanIdPrefix(joined_prefixes_, spans_->span_id[row]);
    } else if (known->second.end < end_known) {
      if (known->second.end > 0) WEFT_TRY(Uncount(known->second.row));
      known->second.end = end_known;
      ++counts.replaced;
    } else {
      ++counts.duplicates;
      continue;
    }
    WEFT_TRY(AddSpan(row, known->second.row, !fresh));
    changed = true;
  }
  // Where a span was replaced as well: it may have got attributes.
  if (changed) WEFT_TRY(AddDirectory(id, id, joined_prefixes_));
  return Summarize(id, flags);
}

// The row is about to be replaced by one with another end.
Result<void> TraceWriter::Uncount(int64_t row_id) {
  counted_.Bind(1, row_id);
  const Result<bool> found = counted_.Step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return {};
  minutes_.Remove(counted_.Int(0), counted_.Int(1), counted_.Int(2), counted_.Int(3) != 0, weight_);
  counted_.Reset();
  return {};
}

Result<void> TraceWriter::Summarize(int64_t id, uint32_t flags) {
  summarize_.Bind(1, id);
  WEFT_TRY(summarize_.Step());
  const int64_t start = summarize_.Int(1), duration = summarize_.Int(2) - start;
  const int64_t errors = summarize_.Int(3);
  update_trace_.Bind(1, id);
  update_trace_.Bind(2, summarize_.Int(0));
  update_trace_.Bind(3, start);
  update_trace_.Bind(4, duration);
  update_trace_.Bind(5, errors);
  if (summarize_.IsNull(4))
    update_trace_.BindNull(6);
  else
    update_trace_.Bind(6, summarize_.Int(4));
  update_trace_.Bind(7, int64_t{sql::SpanClass(duration, errors != 0)});
  update_trace_.Bind(8, static_cast<int64_t>(flags));
  update_trace_.Bind(9, summarize_.Int(5));
  summarize_.Reset();
  return update_trace_.Run();
}

Result<void> TraceWriter::AddSpan(uint32_t row, int64_t row_id, bool replace) {
  const weft_spans& s = *spans_;
  const Result<int64_t> operation = dictionaries_.Operation(row);
  if (!operation) return std::unexpected(operation.error());
  const Result<int64_t> connection = dictionaries_.Connection(row);
  if (!connection) return std::unexpected(connection.error());
  const Result<AttributeStore::Stored> attributes = attributes_.Store(row);
  if (!attributes) return std::unexpected(attributes.error());
  const bool open = (s.flags[row] & WEFT_FLAG_OPEN) != 0;
  const int64_t duration = open ? 0 : std::max<int64_t>(s.end_ns[row] - s.start_ns[row], 0);
  const auto status = At(s.status, row);
  const auto request_tid = At(s.request_tid, row), response_tid = At(s.response_tid, row);
  sql::Statement& add = replace ? replace_span_ : add_span_;
  add.Bind(1, row_id);
  add.Bind(2, static_cast<int64_t>(s.span_id[row]));
  add.Bind(3, static_cast<int64_t>(At(s.parent_id, row)));
  add.Bind(4, s.start_ns[row]);
  open ? add.BindNull(5) : add.Bind(5, duration);
  add.Bind(6, *operation);
  const int span_class = sql::SpanClass(duration, status == WEFT_STATUS_ERROR);
  add.Bind(7, int64_t{span_class});
  add.Bind(8, static_cast<int64_t>(status));
  add.Bind(9, static_cast<int64_t>(s.flags[row]));
  add.Bind(10, *connection);
  add.Bind(11, static_cast<int64_t>(request_tid));
  response_tid == request_tid ? add.BindNull(12) : add.Bind(12, static_cast<int64_t>(response_tid));
  add.Bind(13, static_cast<int64_t>(At(s.request_bytes, row)));
  add.Bind(14, static_cast<int64_t>(At(s.response_bytes, row)));
  add.Bind(15, Thousandths(At(s.confidence, row)));
  add.Bind(16, static_cast<int64_t>(At(s.evidence, row)));
  add.Bind(17, attributes->set);
  attributes->rest.empty() ? add.BindNull(18) : add.Bind(18, attributes->rest);
  WEFT_TRY(add.Run());
  classes_.Add(row_id, *operation, span_class);
  if (const int64_t trace = row_id >> sql::kTraceShift; trace >= first_trace_)
    directory_.Add(trace, attributes->set, attributes->rest_hashes);
  else
    directory_.Join(trace, attributes->set, attributes->rest_hashes);
  const auto kind = At(s.kind, row);
  if (!open && (kind == WEFT_KIND_SERVER || kind == WEFT_KIND_CONSUMER))
    minutes_.Add(*operation, s.start_ns[row], duration, status == WEFT_STATUS_ERROR, weight_);
  return AddCandidates(row, row_id);
}

Result<void> TraceWriter::AddCandidates(uint32_t row, int64_t row_id) {
  const weft_spans& s = *spans_;
  if (!s.candidate_offset) return {};
  const uint32_t begin = s.candidate_offset[row], end = s.candidate_offset[row + 1];
  const uint64_t parent = At(s.parent_id, row);
  // The chosen parent alone is no choice; columns of the span tell all about it.
  if (begin == end || (end == begin + 1 && s.candidate_span_id[begin] == parent)) return {};
  candidates_.assign("[");
  for (uint32_t c = begin; c < std::min(end, begin + kMaxCandidates); ++c) {
    candidates_.append(c == begin ? "[\"" : ",[\"");
    AppendHex(candidates_, s.candidate_span_id[c]);
    candidates_.append("\",");
    AppendHundredths(candidates_, s.candidate_log_odds[c]);
    candidates_.push_back(',');
    AppendUint(candidates_, s.candidate_evidence[c]);
    candidates_.push_back(']');
  }
  candidates_.push_back(']');
  add_candidates_.Bind(1, row_id);
  add_candidates_.Bind(2, std::string_view(candidates_));
  return add_candidates_.Run();
}

}  // namespace weft::sinks
