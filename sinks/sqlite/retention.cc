#include "sinks/sqlite/retention.h"

#include <algorithm>

#include <fmt/format.h>

namespace weft::sinks {
namespace {

// Free pages are kept for reuse up to this share of the file; a call gives back at most that many.
constexpr int64_t kFreeShare = 4;
constexpr int64_t kGiveBackPages = 2'000;

Result<int64_t> One(sql::Statement& statement) {
  WEFT_TRY(statement.Step());
  const int64_t value = statement.Int(0);
  statement.Reset();
  return value;
}

}  // namespace

Result<void> Retention::Prepare(const sql::Database& db, const RetentionLimits& limits) {
  db_ = &db;
  limits_ = limits;
  const sql::StatementText all[] = {
      {&oldest_,
       "SELECT s.id, s.stored_ns, n.first_trace, n.first_connection FROM slices s LEFT JOIN slices "
       "n"
       " ON n.id = (SELECT min(id) FROM slices WHERE id > s.id) ORDER BY s.id LIMIT 1"},
      {&traces_, "SELECT id, spans FROM trace_rows WHERE ?1 = 0 OR id < ?1 ORDER BY id"},
      {&delete_spans_, "DELETE FROM span_rows WHERE id < ?1 << 20"},
      {&delete_candidates_, "DELETE FROM candidate_rows WHERE span < ?1 << 20"},
      {&delete_directory_, "DELETE FROM span_directory WHERE last_trace < ?1"},
      {&delete_attributes_,
       "DELETE FROM attribute_directory WHERE first_trace < min(?1,"
       " coalesce((SELECT first_trace FROM span_directory ORDER BY id LIMIT 1), ?1))"},
      {&delete_parts_,
       "DELETE FROM attribute_parts WHERE first_trace < (SELECT max(first_trace) FROM"
       " attribute_groups WHERE first_trace <= ?1)"},
      {&delete_groups_,
       "DELETE FROM attribute_groups WHERE first_trace < (SELECT max(first_trace) FROM"
       " attribute_groups WHERE first_trace <= ?1)"},
      {&delete_classes_, "DELETE FROM class_blocks WHERE block < ?1 >> 13"},
      {&delete_traces_, "DELETE FROM trace_rows WHERE id < ?1"},
      {&delete_connections_, "DELETE FROM connection_rows WHERE id < ?1"},
      {&delete_slice_, "DELETE FROM slices WHERE id = ?1"},
      {&delete_processes_,
       "DELETE FROM process_rows WHERE last_slice < (SELECT min(id) FROM slices)"},
      {&delete_minutes_, "DELETE FROM minute_rows WHERE slice < (SELECT min(id) FROM slices)"},
      {&page_count_, "PRAGMA page_count"},
      {&free_pages_, "PRAGMA freelist_count"},
  };
  WEFT_TRY(db.PrepareAll(all));
  const Result<int64_t> page_size = db.QueryInt("PRAGMA page_size");
  if (!page_size) return std::unexpected(page_size.error());
  page_size_ = *page_size;
  return {};
}

Result<Retention::Retired> Retention::Step(int64_t unix_ns, uint64_t max_spans) {
  Slice slice;
  const Result<bool> any = Oldest(&slice);
  if (!any) return std::unexpected(any.error());
  if (!*any) return Retired{};
  // A slice is too old when its last trace is: when the next slice has begun long enough ago, which
  // its own beginning bounds from below.
  const bool old = limits_.max_age_ns > 0 && slice.stored_ns < unix_ns - limits_.max_age_ns;
  const Result<bool> large = TooLarge();
  if (!large) return std::unexpected(large.error());
  Result<Retired> retired = Retired{};
  if (old || *large) retired = Remove(slice, max_spans);
  if (retired) WEFT_TRY(GiveBackPages());
  return retired;
}

Result<bool> Retention::Oldest(Slice* slice) {
  const Result<bool> row = oldest_.Step();
  if (!row || !*row) return row;
  *slice = {oldest_.Int(0), oldest_.Int(1), oldest_.Int(2), oldest_.Int(3)};
  oldest_.Reset();
  return true;
}

Result<bool> Retention::TooLarge() {
  if (limits_.max_bytes == 0) return false;
  const Result<int64_t> pages = One(page_count_), free = One(free_pages_);
  if (!pages) return std::unexpected(pages.error());
  if (!free) return std::unexpected(free.error());
  // Room for the log, and for what comes in before the next step.
  const uint64_t room = limits_.max_bytes - std::min(2 * limits_.log_bytes, limits_.max_bytes / 4);
  return static_cast<uint64_t>((*pages - *free) * page_size_) > room;
}

Result<Retention::Retired> Retention::Remove(const Slice& slice, uint64_t max_spans) {
  Retired retired;
  int64_t end = 0;
  bool exhausted = false;
  traces_.Bind(1, slice.next_trace);
  while (retired.spans < max_spans) {
    const Result<bool> row = traces_.Step();
    if (!row) return std::unexpected(row.error());
    if ((exhausted = !*row)) break;
    end = traces_.Int(0) + 1;
    retired.spans += static_cast<uint64_t>(traces_.Int(1));
    ++retired.traces;
  }
  traces_.Reset();
  WEFT_TRY(db_->Execute("BEGIN IMMEDIATE"));
  Result<void> done;
  for (sql::Statement* statement :
       {&delete_spans_, &delete_candidates_, &delete_directory_, &delete_attributes_,
        &delete_parts_, &delete_groups_, &delete_classes_, &delete_traces_}) {
    statement->Bind(1, end);
    if (done) done = statement->Run();
  }
  // The newest slice is still being written to and stays, empty if need be.
  if (done && exhausted && slice.next_trace != 0) done = RemoveSlice(slice);
  if (done) done = db_->Execute("COMMIT");
  if (!done) {
    (void)db_->Execute("ROLLBACK");
    return std::unexpected(done.error());
  }
  return retired;
}

Result<void> Retention::RemoveSlice(const Slice& slice) {
  delete_connections_.Bind(1, slice.next_connection);
  WEFT_TRY(delete_connections_.Run());
  delete_slice_.Bind(1, slice.id);
  WEFT_TRY(delete_slice_.Run());
  WEFT_TRY(delete_minutes_.Run());
  return delete_processes_.Run();
}

Result<void> Retention::GiveBackPages() {
  const Result<int64_t> pages = One(page_count_), free = One(free_pages_);
  if (!pages) return std::unexpected(pages.error());
  if (!free) return std::unexpected(free.error());
  const bool many = *free * kFreeShare > *pages && *free > kGiveBackPages / 10;
  if (!many) return {};
  return db_->Execute(fmt::format("PRAGMA incremental_vacuum({})", kGiveBackPages));
}

}  // namespace weft::sinks
