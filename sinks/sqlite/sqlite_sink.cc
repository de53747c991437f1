#include "sinks/sqlite/sqlite_sink.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>

#include "sql/schema.h"
#include "sql/store_rights.h"

namespace weft::sinks {
namespace {

constexpr uint64_t kPageBytes = 4096;  // measured: 8 KB costs a tenth of the speed for 1 % of size
constexpr int64_t kCacheBytes = 16'000'000;
constexpr uint64_t kLogBytes = 64'000'000;
constexpr uint64_t kRetireAtLeast = 5'000;
constexpr int64_t kClockStep = 60 * kSecond;
constexpr int64_t kAgeHold = 3600 * kSecond;

std::string Pragmas(uint64_t log_bytes) {
  return fmt::format(
      "PRAGMA cache_size = -{}; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = {};"
      "PRAGMA journal_size_limit = {}; PRAGMA secure_delete = OFF; PRAGMA temp_store = MEMORY;"
      "PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = ON",
      kCacheBytes / 1024, std::max<uint64_t>(log_bytes / kPageBytes, 16), log_bytes);
}

uint64_t LogBytes(const SqliteSinkOptions& options) {
  return options.max_bytes == 0 ? kLogBytes : std::min(kLogBytes, options.max_bytes / 8);
}

}  // namespace

SqliteSink::SqliteSink(SqliteSinkOptions options, const Clock& clock)
    : options_(std::move(options)), clock_(clock) {}

SqliteSink::~SqliteSink() = default;

Result<std::unique_ptr<SqliteSink>> SqliteSink::Open(SqliteSinkOptions options,
                                                     const Clock& clock) {
  // Without its statistics SQLite takes no lock per allocation. Refused, and no harm done, where
  // somebody in this process has used SQLite already.
  (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  std::unique_ptr<SqliteSink> sink(new SqliteSink(std::move(options), clock));
  WEFT_TRY(sql::ShareStore(sink->options_.path, sink->options_.group));
  Result<sql::Database> db = sql::Database::OpenForWriting(sink->options_.path);
  if (!db) return std::unexpected(db.error());
  sink->db_ = std::move(*db);
  Result<StoreLock> lock = StoreLock::Take(sink->options_.path);
  if (!lock) return std::unexpected(lock.error());
  sink->lock_ = std::move(*lock);
  if (auto prepared = sink->Prepare(); !prepared) return std::unexpected(prepared.error());
  if (!sink->options_.group.empty()) WEFT_TRY(sql::ShareOpenStore(sink->db_, sink->options_.group));
  return sink;
}

Result<void> SqliteSink::Prepare() {
  // Page size and vacuum mode are fixed when the first table is made; later they have no effect.
  WEFT_TRY(db_.Execute(
      fmt::format("PRAGMA page_size = {}; PRAGMA auto_vacuum = INCREMENTAL", kPageBytes)));
  const Result<int64_t> tables = db_.QueryInt("SELECT count(*) FROM sqlite_master");
  if (!tables) return std::unexpected(tables.error());
  // Not before we know that the file is ours: changing the journal mode writes to it.
  if (*tables == 0) WEFT_TRY(db_.Execute("PRAGMA journal_mode = WAL"));
  WEFT_TRY(sql::ApplySchema(db_));
  WEFT_TRY(db_.Execute("PRAGMA journal_mode = WAL"));
  WEFT_TRY(db_.Execute(Pragmas(LogBytes(options_))));
  if (options_.topic.empty()) {
    WEFT_TRY(db_.Execute("DELETE FROM offsets WHERE topic LIKE 'memory/%'"));
    options_.topic = fmt::format("memory/{}", clock_.UnixNs());
  }
  const sql::StatementText all[] = {
      {&begin_, "BEGIN IMMEDIATE"},
      {&commit_, "COMMIT"},
      {&rollback_, "ROLLBACK"},
      {&find_offset_, "SELECT generation, batch FROM offsets WHERE topic = ?1 AND partition = ?2"},
      {&put_offset_, "INSERT OR REPLACE INTO offsets VALUES(?1, ?2, ?3, ?4, ?5)"},
      {&add_slice_, "INSERT INTO slices VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0)"},
      {&grow_slice_,
       "UPDATE slices SET spans = spans + ?2, min_start_ns = min(min_start_ns, ?3),"
       " max_start_ns = max(max_start_ns, ?4) WHERE id = ?1"},
  };
  WEFT_TRY(db_.PrepareAll(all));
  const Result<int64_t> last = db_.QueryInt("SELECT max(id) FROM slices");
  if (!last) return std::unexpected(last.error());
  slice_ = *last;
  slice_spans_ = options_.slice_spans;  // the first batch begins a slice of its own
  WEFT_TRY(writer_.Prepare(db_));
  return retention_.Prepare(db_, {options_.max_age_ns, options_.max_bytes, LogBytes(options_)});
}

weft_outcome SqliteSink::Write(const weft_spans& spans, const weft_traces& traces,
                               const weft_source& source, Error* error) {
  if (auto begun = begin_.Run(); !begun) return Refuse(spans, begun.error(), error);
  TraceWriter::Counts counts;
  const Result<bool> known = AlreadyStored(source);
  Result<void> done = known ? Result<void>{} : std::unexpected(known.error());
  if (done && !*known) done = WriteAll(spans, traces, source, counts);
  if (done) done = commit_.Run();
  if (!done) {
    // SQLite has rolled back by itself after some failures; then this one does nothing.
    (void)rollback_.Run();
    // On a full disk the log may be what has the room: the file takes up what is in it.
    if (done.error().code == Code::kFull) (void)Close();
    writer_.Forget();
    slice_spans_ = options_.slice_spans;
    return Refuse(spans, done.error(), error);
  }
  if (*known) {
    counts_.replayed += spans.n;
    return WEFT_EXPORT_OK;
  }
  counts_.traces += counts.traces;
  counts_.rows += counts.spans;
  counts_.replaced += counts.replaced;
  counts_.duplicates += counts.duplicates;
  counts_.overflow += counts.overflow;
  slice_spans_ += counts.spans;
  // The batch is safe; what retention cannot do now it will try again with the next one.
  (void)RetireSpans(std::max<uint64_t>(2 * spans.n, kRetireAtLeast));
  return WEFT_EXPORT_OK;
}

Result<bool> SqliteSink::AlreadyStored(const weft_source& source) {
  find_offset_.Bind(1, std::string_view(options_.topic));
  find_offset_.Bind(2, static_cast<int64_t>(source.partition));
  const Result<bool> found = find_offset_.Step();
  if (!found || !*found) return found;
  const auto generation = static_cast<uint64_t>(find_offset_.Int(0));
  const auto batch = static_cast<uint64_t>(find_offset_.Int(1));
  find_offset_.Reset();
  return source.generation < generation ||
         (source.generation == generation && source.batch <= batch);
}

Result<void> SqliteSink::WriteAll(const weft_spans& spans, const weft_traces& traces,
                                  const weft_source& source, TraceWriter::Counts& counts) {
  WEFT_TRY(EnsureSlice());
  writer_.Begin(spans, traces, slice_);
  for (uint32_t trace = 0; trace < traces.n; ++trace)
    if (traces.n_rows[trace] != 0) WEFT_TRY(writer_.Write(trace, counts));
  WEFT_TRY(writer_.Finish());
  WEFT_TRY(UpdateSlice(counts));
  put_offset_.Bind(1, std::string_view(options_.topic));
  put_offset_.Bind(2, static_cast<int64_t>(source.partition));
  put_offset_.Bind(3, static_cast<int64_t>(source.generation));
  put_offset_.Bind(4, static_cast<int64_t>(source.batch));
  put_offset_.Bind(5, static_cast<int64_t>(source.next_offset));
  return put_offset_.Run();
}

Result<void> SqliteSink::EnsureSlice() {
  const int64_t now = clock_.UnixNs();
  if (slice_spans_ < options_.slice_spans && now - slice_stored_ns_ < options_.slice_ns) return {};
  add_slice_.Bind(1, slice_ + 1);
  add_slice_.Bind(2, now);
  add_slice_.Bind(3, writer_.next_trace());
  add_slice_.Bind(4, writer_.next_connection());
  add_slice_.Bind(5, INT64_MAX);
  add_slice_.Bind(6, INT64_MIN);
  WEFT_TRY(add_slice_.Run());
  ++slice_;
  slice_stored_ns_ = now;
  slice_spans_ = 0;
  return {};
}

Result<void> SqliteSink::UpdateSlice(const TraceWriter::Counts& counts) {
  grow_slice_.Bind(1, slice_);
  grow_slice_.Bind(2, static_cast<int64_t>(counts.spans));
  grow_slice_.Bind(3, counts.min_start_ns);
  grow_slice_.Bind(4, counts.max_start_ns);
  return grow_slice_.Run();
}

weft_outcome SqliteSink::Refuse(const weft_spans& spans, Error failure, Error* error) {
  const bool hopeless = failure.code == Code::kCorrupt || failure.code == Code::kInternal ||
                        failure.code == Code::kInvalid;
  failure.message = fmt::format(
      "{}: {}{}", options_.path, failure.message,
      failure.code == Code::kCorrupt ? "; stop weft, move the file away and start it again" : "");
  *error = std::move(failure);
  if (!hopeless) {
    ++counts_.retries;
    return WEFT_EXPORT_RETRY;
  }
  counts_.dropped += spans.n;
  return WEFT_EXPORT_DROP;
}

// By a clock that was set to a wrong day everything may be too old. Whoever set it has an hour to
// see that; until then no trace goes for its age. (Times that are right again are a step as well.)
int64_t SqliteSink::AgeNow() {
  const int64_t now = clock_.UnixNs();
  const int64_t offset = now - clock_.MonotonicNs();
  if (clock_offset_ns_ != INT64_MIN && std::abs(offset - clock_offset_ns_) > kClockStep) {
    ++counts_.clock_steps;
    age_hold_ns_ = clock_.MonotonicNs() + kAgeHold;
  }
  clock_offset_ns_ = offset;
  return clock_.MonotonicNs() < age_hold_ns_ ? 0 : now;
}

Result<void> SqliteSink::RetireSpans(uint64_t max_spans) {
  const Result<Retention::Retired> retired = retention_.Step(AgeNow(), max_spans);
  if (!retired) return std::unexpected(retired.error());
  counts_.retired += retired->spans;
  counts_.retired_traces += retired->traces;
  return {};
}

Result<void> SqliteSink::Retire() { return RetireSpans(kRetireAtLeast); }

Result<void> SqliteSink::Close() { return db_.Execute("PRAGMA wal_checkpoint(TRUNCATE)"); }

}  // namespace weft::sinks
