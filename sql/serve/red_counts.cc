#include "sql/serve/red_counts.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "sql/json_member.h"
#include "sql/span_class.h"

namespace weft::serve {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000, kMinuteNs = 60 * kSecondNs;
constexpr int64_t kBySpanNs = 15 * kMinuteNs;  // a longer time is read from counts per minute
constexpr int64_t kMostSpans = 400'000;        // so is one with more spans than this
constexpr int64_t kWantedBuckets = 90;
constexpr std::array<int64_t, 12> kSteps = {1, 2, 5, 10, 15, 30, 60, 120, 300, 900, 3'600, 21'600};

int64_t BeginOf(int bucket) {
  return bucket == 0 ? 0 : int64_t{16 + (bucket - 1) % 16} << ((bucket - 1) / 16 + 6);
}
int64_t WidthOf(int bucket) { return bucket == 0 ? 1024 : int64_t{1} << ((bucket - 1) / 16 + 6); }

int64_t StepFor(int64_t range_ns, int64_t least_s) {
  for (const int64_t step : kSteps)
    if (step >= least_s && range_ns / (step * kSecondNs) <= kWantedBuckets) return step * kSecondNs;
  return (range_ns / kWantedBuckets / kMinuteNs + 1) * kMinuteNs;
}

class Counting {
 public:
  Counting(const RedQuestion& question, int64_t step_ns, bool by_span) : question_(question) {
    answer_.step_ns = step_ns;
    answer_.by_span = by_span;
    answer_.from_ns = question.from_ns - question.from_ns % step_ns;
    const int64_t buckets = (question.to_ns - answer_.from_ns + step_ns - 1) / step_ns;
    answer_.buckets.resize(static_cast<size_t>(std::max<int64_t>(buckets, 1)));
  }

  Result<void> AddMinutes(const sql::Database& db) {
    auto rows = db.Prepare(
        "SELECT minute_ns, service, operation, requests, errors, total_ns, max_ns, estimated,"
        " histogram FROM minute_counts WHERE minute_ns >= ?1 AND minute_ns < ?2"
        " AND (?3 = '' OR service = ?3) AND (?4 = '' OR operation = ?4)");
    if (!rows) return std::unexpected(rows.error());
    Bind(*rows, answer_.from_ns, question_.to_ns);
    for (;;) {
      const Result<bool> row = rows->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      RedTotals totals;
      totals.requests = static_cast<uint64_t>(rows->Int(3));
      totals.errors = static_cast<uint64_t>(rows->Int(4));
      totals.total_ns = rows->Int(5);
      totals.max_ns = rows->Int(6);
      totals.estimated = rows->Double(7);
      sql::EachMember(rows->Text(8), [&](std::string_view key, const sql::JsonMember& member) {
        int bucket = 0;
        uint64_t requests = 0;
        std::from_chars(key.data(), key.data() + key.size(), bucket);
        std::from_chars(member.raw.data(), member.raw.data() + member.raw.size(), requests);
        totals.histogram[std::clamp(bucket, 0, sql::kDurationBuckets - 1)] += requests;
      });
      Add(rows->Int(0), rows->Text(1), rows->Text(2), totals);
    }
  }

  // False where there are too many.
  Result<bool> AddSpans(const sql::Database& db) {
    auto rows = db.Prepare(
        "SELECT s.start_ns, o.service, o.name, s.status = 2, s.duration_ns, t.weight"
        " FROM trace_rows t CROSS JOIN span_rows s ON s.id >= t.id << 20 AND s.id < (t.id + 1) << "
        "20"
        " CROSS JOIN operations o ON o.id = s.operation"
        " WHERE t.start_ns >= ?1 AND t.start_ns < ?2 AND (?3 = '' OR o.service = ?3)"
        " AND (?4 = '' OR o.name = ?4) AND o.kind IN (2, 5) AND s.duration_ns IS NOT NULL");
    if (!rows) return std::unexpected(rows.error());
    Bind(*rows, answer_.from_ns, question_.to_ns);
    for (;;) {
      const Result<bool> row = rows->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return true;
      if (++spans_ > kMostSpans) return false;
      RedTotals totals;
      totals.requests = 1;
      totals.errors = rows->Int(3) != 0;
      totals.total_ns = totals.max_ns = rows->Int(4);
      totals.estimated = rows->Double(5);
      totals.histogram[sql::DurationBucket(rows->Int(4))] = 1;
      Add(rows->Int(0), rows->Text(1), rows->Text(2), totals);
    }
  }

  RedAnswer Take() && { return std::move(answer_); }

 private:
  void Bind(sql::Statement& rows, int64_t from_ns, int64_t to_ns) const {
    rows.Bind(1, from_ns);
    rows.Bind(2, to_ns);
    rows.Bind(3, std::string_view(question_.service));
    rows.Bind(4, std::string_view(question_.operation));
  }

  void Add(int64_t start_ns, std::string_view service, std::string_view name,
           const RedTotals& totals) {
    const int64_t bucket = (start_ns - answer_.from_ns) / answer_.step_ns;
    if (start_ns < answer_.from_ns || bucket >= static_cast<int64_t>(answer_.buckets.size()))
      return;
    const auto at = static_cast<size_t>(bucket);
    answer_.buckets[at].Add(totals);
    RedOperation& operation = answer_.operations[{std::string(service), std::string(name)}];
    operation.requests.resize(answer_.buckets.size());
    operation.errors.resize(answer_.buckets.size());
    operation.totals.Add(totals);
    operation.requests[at] += totals.requests;
    operation.errors[at] += totals.errors;
  }

  const RedQuestion& question_;
  RedAnswer answer_;
  int64_t spans_ = 0;
};

}  // namespace

void RedTotals::Add(const RedTotals& other) {
  requests += other.requests;
  errors += other.errors;
  total_ns += other.total_ns;
  max_ns = std::max(max_ns, other.max_ns);
  estimated += other.estimated;
  for (const auto& [bucket, n] : other.histogram) histogram[bucket] += n;
}

int64_t RedTotals::Percentile(double percent) const {
  uint64_t all = 0, reach = 0;
  for (const auto& [bucket, n] : histogram) all += n;
  const double wanted = static_cast<double>(all) * percent / 100;
  for (const auto& [bucket, n] : histogram) {
    reach += n;
    if (static_cast<double>(reach) < wanted || n == 0) continue;
    const double inside = wanted - static_cast<double>(reach - n);
    const double at = static_cast<double>(BeginOf(bucket)) +
                      static_cast<double>(WidthOf(bucket)) * inside / static_cast<double>(n);
    return std::min(static_cast<int64_t>(std::llround(at)), max_ns);
  }
  return 0;
}

Result<RedAnswer> CountRed(const sql::StoreSet& stores, const RedQuestion& question) {
  const int64_t range = question.to_ns - question.from_ns;
  if (range <= kBySpanNs) {
    Counting counting(question, StepFor(range, 1), true);
    bool all = true;
    for (const sql::Database& db : stores) {
      const Result<bool> added = counting.AddSpans(db);
      if (!added) return std::unexpected(added.error());
      all = all && *added;
    }
    if (all) return std::move(counting).Take();
  }
  Counting counting(question, StepFor(range, 60), false);
  for (const sql::Database& db : stores) WEFT_TRY(counting.AddMinutes(db));
  return std::move(counting).Take();
}

}  // namespace weft::serve
