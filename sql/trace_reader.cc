#include "sql/trace_reader.h"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "sql/span_class.h"

namespace weft::sql {
namespace {

constexpr size_t kShowMatches = 5;

constexpr std::string_view kSpanColumns =
    "SELECT s.id, s.span_id, s.parent_id, s.start_ns, coalesce(s.duration_ns, 0), o.service, "
    "o.name,"
    " coalesce(c.peer, ''), coalesce(p.host, ''), o.kind, s.status, s.flags, s.evidence,"
    " s.confidence, coalesce(p.pid, 0), s.request_tid, coalesce(s.response_tid, s.request_tid),"
    " CASE WHEN s.attributes IS NULL THEN coalesce(a.json, '{}')"
    "  WHEN a.json IS NULL THEN s.attributes ELSE json_patch(a.json, s.attributes) END"
    " FROM span_rows s JOIN operations o ON o.id = s.operation"
    " LEFT JOIN connection_rows c ON c.id = s.connection"
    " LEFT JOIN process_rows p ON p.id = c.process"
    " LEFT JOIN attribute_sets a ON a.id = s.attribute_set ";

StoredSpan SpanOf(const Statement& row) {
  StoredSpan s;
  s.row = row.Int(0);
  s.span_id = static_cast<uint64_t>(row.Int(1));
  s.parent_id = static_cast<uint64_t>(row.Int(2));
  s.start_ns = row.Int(3);
  s.duration_ns = row.Int(4);
  s.service = row.Text(5);
  s.operation = row.Text(6);
  s.peer = row.Text(7);
  s.node = row.Text(8);
  s.kind = static_cast<uint8_t>(row.Int(9));
  s.status = static_cast<uint8_t>(row.Int(10));
  s.flags = static_cast<uint32_t>(row.Int(11));
  s.evidence = static_cast<uint32_t>(row.Int(12));
  s.confidence = static_cast<double>(row.Int(13)) / 1000.0;
  s.pid = row.Int(14);
  s.request_tid = row.Int(15);
  s.response_tid = row.Int(16);
  s.attributes = row.Text(17);
  return s;
}

// Lower case; kInvalid unless it is 1 to `max` hex digits.
Result<std::string> HexPrefix(std::string_view text, size_t max, std::string_view what) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool hex = out.find_first_not_of("0123456789abcdef") == out.npos;
  if (out.empty() || out.size() > max || !hex)
    return Fail(Code::kInvalid,
                fmt::format("'{}' is no {} id: 1 to {} hex digits", text, what, max));
  return out;
}

// The ids that begin with the prefix.
struct IdRange {
  uint64_t low = 0, high = 0;
};

IdRange RangeOf(std::string_view prefix) {
  uint64_t digits = 0;
  std::from_chars(prefix.data(), prefix.data() + prefix.size(), digits, 16);
  const size_t free_bits = 64 - 4 * std::min<size_t>(prefix.size(), 16);
  if (free_bits == 0) return {digits, digits};
  if (free_bits == 64) return {0, UINT64_MAX};
  return {digits << free_bits, (digits << free_bits) | ((uint64_t{1} << free_bits) - 1)};
}

bool HasPrefixIn(std::string_view blob, const IdRange& range) {
  const uint32_t low = SpanIdPrefix(range.low), high = SpanIdPrefix(range.high);
  for (size_t at = 0; at + 4 <= blob.size(); at += 4) {
    uint32_t prefix = 0;
    std::memcpy(&prefix, blob.data() + at, sizeof prefix);
    if constexpr (std::endian::native == std::endian::big) prefix = __builtin_bswap32(prefix);
    if (prefix >= low && prefix <= high) return true;
  }
  return false;
}

// At most kShowMatches + 1 spans of the range, newest batches first.
Result<std::vector<StoredSpan>> SpansIn(const Database& db, const IdRange& range) {
  Result<Statement> directory =
      db.Prepare("SELECT first_trace, last_trace, prefixes FROM span_directory ORDER BY id DESC");
  if (!directory) return std::unexpected(directory.error());
  // Both ends have the same sign, so signed order serves as well.
  Result<Statement> spans =
      db.Prepare(fmt::format("{} WHERE s.id >= ?1 << 20 AND s.id < (?2 + 1) << 20"
                             " AND s.span_id BETWEEN ?3 AND ?4",
                             kSpanColumns));
  if (!spans) return std::unexpected(spans.error());
  std::vector<StoredSpan> found;
  while (found.size() <= kShowMatches) {
    const Result<bool> more = directory->Step();
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    if (!HasPrefixIn(directory->Text(2), range)) continue;
    spans->Bind(1, directory->Int(0));
    spans->Bind(2, directory->Int(1));
    spans->Bind(3, static_cast<int64_t>(range.low));
    spans->Bind(4, static_cast<int64_t>(range.high));
    for (;;) {
      const Result<bool> row = spans->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      StoredSpan span = SpanOf(*spans);
      // A late span is in the directory of its own batch and inside the range of its trace's.
      const bool known = std::any_of(found.begin(), found.end(),
                                     [&](const StoredSpan& f) { return f.row == span.row; });
      if (!known) found.push_back(std::move(span));
    }
  }
  return found;
}

}  // namespace

int64_t StoredSpan::trace_row() const { return row >> kTraceShift; }

std::string HexId(uint64_t id) { return fmt::format("{:016x}", id); }

std::string TraceIdOf(std::string_view blob) {
  std::string out;
  for (const char c : blob) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string EvidenceText(uint32_t evidence) {
  static constexpr std::string_view kNames[] = {"context", "wire",  "thread", "delay",
                                                "token",   "order", "only",   "custom"};
  std::string out;
  for (size_t bit = 0; bit < std::size(kNames); ++bit)
    if (evidence >> bit & 1) out.append(out.empty() ? "" : "+").append(kNames[bit]);
  return out;
}

std::unexpected<Error> Ambiguous(std::string_view prefix, std::string_view what,
                                 const std::vector<std::string>& matches) {
  std::string list;
  for (size_t i = 0; i < std::min(matches.size(), kShowMatches); ++i) list += "\n  " + matches[i];
  return Fail(Code::kInvalid, fmt::format("several {} begin with {}{}{}", what, prefix, list,
                                          matches.size() > kShowMatches ? "\n  ..." : ""));
}

Result<StoredTrace> ReadTrace(const Database& db, int64_t row) {
  Result<Statement> trace = db.Prepare(
      "SELECT trace_id, service, operation, start_ns, duration_ns, spans, errors, flags, weight,"
      " rule FROM traces WHERE row = ?1");
  if (!trace) return std::unexpected(trace.error());
  trace->Bind(1, row);
  const Result<bool> found = trace->Step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return Fail(Code::kNotFound, "no such trace; retention may have removed it");
  StoredTrace t;
  t.row = row;
  t.trace_id = trace->Text(0);
  t.service = trace->Text(1);
  t.operation = trace->Text(2);
  t.start_ns = trace->Int(3);
  t.duration_ns = trace->Int(4);
  t.spans = static_cast<uint32_t>(trace->Int(5));
  t.errors = static_cast<uint32_t>(trace->Int(6));
  t.flags = static_cast<uint32_t>(trace->Int(7));
  t.weight = trace->Double(8);
  t.rule = trace->Text(9);
  return t;
}

Result<StoredTrace> FindTrace(const Database& db, std::string_view text) {
  const Result<std::string> prefix = HexPrefix(text, 32, "trace");
  if (!prefix) return std::unexpected(prefix.error());
  Result<Statement> ids = db.Prepare(
      "SELECT id, lower(hex(trace_id)) FROM trace_rows WHERE lower(hex(trace_id)) >= ?1"
      " AND lower(hex(trace_id)) < ?1 || 'g' LIMIT 6");
  if (!ids) return std::unexpected(ids.error());
  ids->Bind(1, std::string_view(*prefix));
  std::vector<std::string> names;
  int64_t id = 0;
  for (;;) {
    const Result<bool> row = ids->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    id = ids->Int(0);
    names.emplace_back(ids->Text(1));
  }
  if (names.empty())
    return Fail(Code::kNotFound, fmt::format("no trace begins with {} in {}", *prefix, db.path()));
  if (names.size() > 1) return Ambiguous(*prefix, "traces", names);
  return ReadTrace(db, id);
}

Result<std::vector<StoredSpan>> ReadSpans(const Database& db, int64_t trace_row) {
  Result<Statement> rows = db.Prepare(
      fmt::format("{} WHERE s.id >= ?1 << 20 AND s.id < (?1 + 1) << 20 ORDER BY s.start_ns, s.id",
                  kSpanColumns));
  if (!rows) return std::unexpected(rows.error());
  rows->Bind(1, trace_row);
  std::vector<StoredSpan> out;
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    out.push_back(SpanOf(*rows));
  }
}

Result<StoredSpan> FindSpan(const Database& db, std::string_view text) {
  const Result<std::string> prefix = HexPrefix(text, 16, "span");
  if (!prefix) return std::unexpected(prefix.error());
  Result<std::vector<StoredSpan>> found = SpansIn(db, RangeOf(*prefix));
  if (!found) return std::unexpected(found.error());
  if (found->empty())
    return Fail(Code::kNotFound, fmt::format("no span begins with {} in {}", *prefix, db.path()));
  if (found->size() > 1) {
    std::vector<std::string> names;
    for (const StoredSpan& span : *found)
      names.push_back(fmt::format("{}  {} {}", HexId(span.span_id), span.service, span.operation));
    return Ambiguous(*prefix, "spans", names);
  }
  return std::move(found->front());
}

Result<StoredSpan> ReadSpan(const Database& db, uint64_t span_id) {
  Result<std::vector<StoredSpan>> found = SpansIn(db, {span_id, span_id});
  if (!found) return std::unexpected(found.error());
  if (found->empty()) return Fail(Code::kNotFound, "no span " + HexId(span_id));
  return std::move(found->front());
}

Result<std::vector<StoredCandidate>> ReadCandidates(const Database& db, int64_t span_row) {
  Result<Statement> rows = db.Prepare(
      "SELECT json_extract(e.value, '$[0]'), json_extract(e.value, '$[1]'),"
      " json_extract(e.value, '$[2]') FROM candidate_rows k, json_each(k.candidates) e"
      " WHERE k.span = ?1 ORDER BY e.key");
  if (!rows) return std::unexpected(rows.error());
  rows->Bind(1, span_row);
  std::vector<StoredCandidate> out;
  for (;;) {
    const Result<bool> row = rows->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    out.push_back(
        {RangeOf(rows->Text(0)).low, rows->Double(1), static_cast<uint32_t>(rows->Int(2))});
  }
}

}  // namespace weft::sql
