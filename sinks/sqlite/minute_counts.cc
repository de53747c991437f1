#include "sinks/sqlite/minute_counts.h"

#include <algorithm>
#include <charconv>

#include "engine/base/hash.h"
#include "engine/base/json_text.h"

namespace weft::sinks {
namespace {

constexpr int64_t kMinute = 60'000'000'000;
// Rows that are remembered, a kilobyte each: some minutes of hundreds of operations.
constexpr size_t kMaxRows = 4'096;

// {"17":3,"18":40}, as Put writes it; false where it is anything else.
bool Parse(std::string_view json, std::array<uint32_t, sql::kDurationBuckets>& buckets) {
  const char* at = json.data();
  const char* const end = at + json.size();
  const auto take = [&](std::string_view text) {
    if (!std::string_view(at, end).starts_with(text)) return false;
    at += text.size();
    return true;
  };
  if (json == "{}") return true;
  if (!take("{")) return false;
  do {
    size_t bucket = 0;
    uint32_t requests = 0;
    if (!take("\"")) return false;
    auto [after, wrong] = std::from_chars(at, end, bucket);
    at = after;
    if (wrong != std::errc{} || bucket >= buckets.size() || !take("\":")) return false;
    const auto number = std::from_chars(at, end, requests);
    at = number.ptr;
    if (number.ec != std::errc{}) return false;
    buckets[bucket] += requests;
  } while (take(","));
  return take("}") && at == end;
}

}  // namespace

size_t MinuteCounts::Hash::operator()(const Key& key) const {
  return HashCombine(static_cast<uint64_t>(key.minute_ns), static_cast<uint64_t>(key.operation));
}

Result<void> MinuteCounts::Prepare(const sql::Database& db) {
  Result<sql::Statement> load = db.Prepare(
      "SELECT requests, errors, total_ns, max_ns, weight, histogram FROM minute_rows"
      " WHERE minute_ns = ?1 AND operation = ?2");
  if (!load) return std::unexpected(load.error());
  Result<sql::Statement> put = db.Prepare(
      "INSERT INTO minute_rows VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET"
      " slice = ?3, requests = ?4, errors = ?5, total_ns = ?6, max_ns = ?7, weight = ?8,"
      " histogram = ?9");
  if (!put) return std::unexpected(put.error());
  load_ = std::move(*load);
  put_ = std::move(*put);
  return {};
}

void MinuteCounts::Forget() {
  rows_.clear();
  touched_.clear();
}

MinuteCounts::Row& MinuteCounts::Touch(int64_t operation, int64_t start_ns) {
  const Key key{start_ns - start_ns % kMinute, operation};
  Row& row = rows_[key];
  if (!row.touched) {
    row.touched = true;
    touched_.emplace_back(key, &row);
  }
  return row;
}

void MinuteCounts::Add(int64_t operation, int64_t start_ns, int64_t duration_ns, bool error,
                       double weight) {
  Row& row = Touch(operation, start_ns);
  ++row.requests;
  row.errors += error;
  row.total_ns += duration_ns;
  row.max_ns = std::max(row.max_ns, duration_ns);
  row.weight += weight;
  ++row.buckets[static_cast<size_t>(sql::DurationBucket(duration_ns))];
}

// What the store has may not be loaded yet: below zero until then is no harm.
void MinuteCounts::Remove(int64_t operation, int64_t start_ns, int64_t duration_ns, bool error,
                          double weight) {
  Row& row = Touch(operation, start_ns);
  --row.requests;
  row.errors -= error;
  row.total_ns -= duration_ns;
  row.weight -= weight;
  --row.buckets[static_cast<size_t>(sql::DurationBucket(duration_ns))];
}

Result<void> MinuteCounts::Flush(int64_t slice) {
  for (auto& [key, row] : touched_) {
    if (!row->known) WEFT_TRY(Load(key, *row));
    WEFT_TRY(Put(key, *row, slice));
    row->known = true;
    row->touched = false;
  }
  touched_.clear();
  if (rows_.size() > kMaxRows) rows_.clear();
  return {};
}

Result<void> MinuteCounts::Load(const Key& key, Row& row) {
  load_.Bind(1, key.minute_ns);
  load_.Bind(2, key.operation);
  const Result<bool> found = load_.Step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return {};
  row.requests += load_.Int(0);
  row.errors += load_.Int(1);
  row.total_ns += load_.Int(2);
  row.max_ns = std::max(row.max_ns, load_.Int(3));
  row.weight += load_.Double(4);
  const bool parsed = Parse(load_.Text(5), row.buckets);
  load_.Reset();
  return parsed ? Result<void>{} : Fail(Code::kCorrupt, "minute_rows has a histogram of no sense");
}

Result<void> MinuteCounts::Put(const Key& key, const Row& row, int64_t slice) {
  json_.assign("{");
  for (size_t bucket = 0; bucket < row.buckets.size(); ++bucket) {
    if (row.buckets[bucket] == 0) continue;
    json_.append(json_.size() == 1 ? "\"" : ",\"");
    AppendUint(json_, bucket);
    json_.append("\":");
    AppendUint(json_, row.buckets[bucket]);
  }
  json_.push_back('}');
  put_.Bind(1, key.minute_ns);
  put_.Bind(2, key.operation);
  put_.Bind(3, slice);
  put_.Bind(4, row.requests);
  put_.Bind(5, row.errors);
  put_.Bind(6, row.total_ns);
  put_.Bind(7, row.max_ns);
  put_.Bind(8, row.weight);
  put_.Bind(9, std::string_view(json_));
  return put_.Run();
}

}  // namespace weft::sinks
