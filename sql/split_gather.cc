#include "sql/split_gather.h"

#include <fmt/format.h>

#include "sql/span_class.h"

namespace weft::sql {
namespace {

// What both sides of a copy have in common, by Kind. A row that is there already answers its id.
constexpr struct {
  const char* table;
  const char* columns;
  const char* values;
  const char* key;  // what makes it the same row; nullptr: always a new one
} kKinds[] = {
    {"operations", "service, name, kind, protocol", "?1, ?2, ?3, ?4",
     "service, name, kind, protocol"},
    {"attribute_sets", "json", "?1", "json"},
    {"strings", "text", "?1", "text"},
    {"connection_rows",
     "process, connection, local_address, local_port, remote_address, remote_port, fd, peer",
     "?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8", nullptr},
    {"process_rows", "process_id, host, service, executable, pid, attributes, last_slice",
     "?1, ?2, ?3, ?4, ?5, ?6, ?7", nullptr},
};

constexpr std::string_view kSpanColumns =
    "span_id, parent_id, start_ns, duration_ns, operation, class, status, flags, connection,"
    " request_tid, response_tid, request_bytes, response_bytes, confidence, evidence,"
    " attribute_set, attributes";
// Of the columns above, counted from 0.
constexpr int kOperationColumn = 4, kConnectionColumn = 8, kSetColumn = 15, kColumns = 17;

Result<void> CopyColumn(const Statement& from, int column, Statement& to, int parameter) {
  if (sqlite3_bind_value(to.get(), parameter, sqlite3_column_value(from.get(), column)) ==
      SQLITE_OK)
    return {};
  return Fail(Code::kInternal, "a value could not be copied");
}

}  // namespace

Result<void> SplitGather::Run(const std::vector<SplitTrace>& traces) {
  WEFT_TRY(to_.Execute(fmt::format(
      "CREATE TEMP TABLE staged AS SELECT 0 AS trace, 0 AS store, 0 AS row, {0} FROM span_rows"
      " WHERE 0; CREATE INDEX temp.staged_span ON staged(trace, span_id)",
      kSpanColumns)));
  Result<Statement> stage = to_.Prepare(
      "INSERT INTO temp.staged VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14,"
      " ?15, ?16, ?17, ?18, ?19, ?20)");
  if (!stage) return std::unexpected(stage.error());
  stage_ = std::move(*stage);
  for (size_t i = 0; i < traces.size(); ++i)
    for (const SplitTrace::Part& part : traces[i].parts)
      WEFT_TRY(StageTrace(part.store, part.row, static_cast<int64_t>(i) + 1));
  WEFT_TRY(ChooseSpans());
  WEFT_TRY(AddCandidates());
  for (size_t i = 0; i < traces.size(); ++i)
    WEFT_TRY(AddTrace(traces[i], static_cast<int64_t>(i) + 1));
  WEFT_TRY(to_.Execute(
      "INSERT INTO slices SELECT 1, min(start_ns), 1, 1, min(start_ns), max(start_ns), sum(spans)"
      " FROM trace_rows"));
  return AddDirectory(traces.size());
}

Result<void> SplitGather::StageTrace(size_t store, int64_t row, int64_t trace) {
  Result<Statement> spans = stores_[store].Prepare(fmt::format(
      "SELECT {}, id FROM span_rows WHERE id >= ?1 << 20 AND id < (?1 + 1) << 20", kSpanColumns));
  if (!spans) return std::unexpected(spans.error());
  spans->Bind(1, row);
  for (;;) {
    const Result<bool> more = spans->Step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    stage_.Bind(1, trace);
    stage_.Bind(2, static_cast<int64_t>(store));
    stage_.Bind(3, spans->Int(kColumns));
    for (int column = 0; column < kColumns; ++column)
      WEFT_TRY(CopyColumn(*spans, column, stage_, column + 4));
    for (const auto& [kind, column] :
         {std::pair{kOperation, kOperationColumn}, std::pair{kConnection, kConnectionColumn},
          std::pair{kSet, kSetColumn}}) {
      const Result<int64_t> id = Copy(kind, store, spans->Int(column));
      if (!id) return std::unexpected(id.error());
      stage_.Bind(column + 4, *id);
    }
    WEFT_TRY(stage_.Run());
  }
}

Result<int64_t> SplitGather::Copy(Kind kind, size_t store, int64_t id) {
  if (id == 0) return 0;
  const auto [known, fresh] = copied_[kind].try_emplace({store, id}, 0);
  if (!fresh) return known->second;
  const auto& [table, columns, values, key] = kKinds[kind];
  Result<Statement> read =
      stores_[store].Prepare(fmt::format("SELECT {} FROM {} WHERE id = ?1", columns, table));
  if (!read) return std::unexpected(read.error());
  const std::string same =
      key ? fmt::format(" ON CONFLICT({}) DO UPDATE SET id = id", key) : std::string();
  Result<Statement> add = to_.Prepare(
      fmt::format("INSERT INTO {}({}) VALUES({}){} RETURNING id", table, columns, values, same));
  if (!add) return std::unexpected(add.error());
  read->Bind(1, id);
  const Result<bool> found = read->Step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return 0;
  for (int column = 0; column < sqlite3_column_count(read->get()); ++column)
    WEFT_TRY(CopyColumn(*read, column, *add, column + 1));
  if (kind == kConnection) {
    const Result<int64_t> process = Copy(kProcess, store, read->Int(0));
    if (!process) return process;
    add->Bind(1, *process);
  }
  WEFT_TRY(add->Step());
  return known->second = add->Int(0);
}

// Two exchanges can have one span id; they differ in start, or are twins within one store. A row
// that another store has as well counts once, an open one not at all where its end is known.
Result<void> SplitGather::ChooseSpans() {
  return to_.Execute(fmt::format(
      "CREATE TEMP TABLE chosen AS"
      " WITH numbered AS (SELECT *, row_number() OVER"
      "   (PARTITION BY trace, span_id, start_ns, flags & 1, store ORDER BY row) AS twin"
      "   FROM temp.staged),"
      " ranked AS (SELECT *, row_number() OVER"
      "   (PARTITION BY trace, span_id, start_ns, flags & 1, twin ORDER BY store) AS rank"
      "   FROM numbered)"
      " SELECT (trace << 20) + row_number() OVER (PARTITION BY trace ORDER BY start_ns, span_id)"
      "   - 1 AS id, store, row, {0} FROM ranked r"
      " WHERE rank = 1 AND NOT (flags & 1 AND EXISTS (SELECT 1 FROM temp.staged e"
      "   WHERE e.trace = r.trace AND e.span_id = r.span_id AND NOT e.flags & 1));"
      "INSERT INTO span_rows SELECT id, {0} FROM temp.chosen ORDER BY id",
      kSpanColumns));
}

Result<void> SplitGather::AddCandidates() {
  Result<Statement> chosen = to_.Prepare("SELECT id, store, row FROM temp.chosen");
  Result<Statement> add = to_.Prepare("INSERT INTO candidate_rows VALUES(?1, ?2)");
  if (!chosen) return std::unexpected(chosen.error());
  if (!add) return std::unexpected(add.error());
  std::vector<Statement> find;
  for (const Database& store : stores_) {
    Result<Statement> one = store.Prepare("SELECT candidates FROM candidate_rows WHERE span = ?1");
    if (!one) return std::unexpected(one.error());
    find.push_back(std::move(*one));
  }
  for (;;) {
    const Result<bool> more = chosen->Step();
    if (!more) return std::unexpected(more.error());
    if (!*more) return {};
    Statement& candidates = find[static_cast<size_t>(chosen->Int(1))];
    candidates.Bind(1, chosen->Int(2));
    const Result<bool> found = candidates.Step();
    if (!found) return std::unexpected(found.error());
    if (!*found) continue;
    add->Bind(1, chosen->Int(0));
    add->Bind(2, candidates.Text(0));
    WEFT_TRY(add->Run());
    candidates.Reset();
  }
}

// Verdict and rule are logged, so all parts have the same; the flags are those of all parts.
Result<void> SplitGather::AddTrace(const SplitTrace& trace, int64_t id) {
  int64_t flags = 0, rule = 0;
  double weight = 1;
  for (const SplitTrace::Part& part : trace.parts) {
    Result<Statement> row = stores_[part.store].Prepare(
        "SELECT flags, weight, coalesce(rule, 0) FROM trace_rows WHERE id = ?1");
    if (!row) return std::unexpected(row.error());
    row->Bind(1, part.row);
    WEFT_TRY(row->Step());
    flags |= row->Int(0);
    weight = row->Double(1);
    const Result<int64_t> name = Copy(kRule, part.store, row->Int(2));
    if (!name) return std::unexpected(name.error());
    rule = *name;
  }
  Result<Statement> sum = to_.Prepare(
      "SELECT count(*), min(start_ns), max(start_ns + coalesce(duration_ns, 0)), sum(status = 2),"
      " max(CASE WHEN parent_id = 0 OR flags & 8 THEN operation END), max(flags & 1)"
      " FROM span_rows WHERE id >= ?1 << 20 AND id < (?1 + 1) << 20");
  Result<Statement> add = to_.Prepare(
      "INSERT INTO trace_rows VALUES(?1, ?2, ?3, ?4, nullif(?5, 0), ?6, ?7, ?8, ?9, ?10,"
      " nullif(?11, 0))");
  if (!sum) return std::unexpected(sum.error());
  if (!add) return std::unexpected(add.error());
  sum->Bind(1, id);
  WEFT_TRY(sum->Step());
  const int64_t duration = sum->Int(2) - sum->Int(1), errors = sum->Int(3);
  add->Bind(1, id);
  add->BindBlob(2, trace.trace_id);
  add->Bind(3, sum->Int(1));
  add->Bind(4, duration);
  add->Bind(5, sum->Int(4));
  add->Bind(6, int64_t{SpanClass(duration, errors != 0)});
  add->Bind(7, sum->Int(0));
  add->Bind(8, errors);
  add->Bind(9, (flags & ~int64_t{1}) | sum->Int(5));
  add->Bind(10, weight);
  add->Bind(11, rule);
  return add->Run();
}

Result<void> SplitGather::AddDirectory(size_t traces) {
  Result<Statement> spans = to_.Prepare("SELECT span_id FROM span_rows");
  Result<Statement> add = to_.Prepare("INSERT INTO span_directory VALUES(1, 1, ?1, ?2)");
  if (!spans) return std::unexpected(spans.error());
  if (!add) return std::unexpected(add.error());
  std::string prefixes;
  for (;;) {
    const Result<bool> more = spans->Step();
    if (!more) return std::unexpected(more.error());
    if (!*more) break;
    AppendSpanIdPrefix(prefixes, static_cast<uint64_t>(spans->Int(0)));
  }
  add->Bind(1, static_cast<int64_t>(traces));
  add->BindBlob(2, prefixes);
  return add->Run();
}

}  // namespace weft::sql
