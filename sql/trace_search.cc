#include "sql/trace_search.h"

#include <algorithm>
#include <functional>
#include <unordered_set>

#include <fmt/format.h>

#include "sql/attribute_filter.h"
#include "sql/attribute_lookup.h"
#include "sql/class_mask.h"
#include "sql/span_class.h"

namespace weft::sql {
namespace {

// What matches often is found in the newest rows; what matches seldom, through the indexes:
// kScans steps of kScanTraces traces are read from the newest on, and only if that did not find
// enough, the rest is searched block by block, per (block, operation, class) with class = half
// octave of the duration plus the error bit, and no older block is looked at once there are enough.
// Rows are in the order in which they were stored; traces stored next to each other differ in start
// by far less than what slices are made of, so some more than asked for are collected and sorted by
// start.
class Search {
 public:
  Search(const Database& db, const TraceFilter& filter)
      : db_(db), filter_(filter), wanted_(filter.limit + std::min<size_t>(filter.limit, kMargin)) {}

  Result<std::vector<StoredTrace>> Run() {
    Result<AttributeFilter> attributes = AttributeFilter::Make(db_, filter_.attributes, kFirstText);
    if (!attributes) return std::unexpected(attributes.error());
    attributes_ = std::move(*attributes);
    WEFT_TRY(FindBounds());
    WEFT_TRY(PrepareStart());
    Result<void> done = OfSpans() ? BySpans() : ByTrace();
    if (!done) return std::unexpected(done.error());
    std::vector<StoredTrace> out;
    std::sort(found_.begin(), found_.end(), std::greater<>());
    if (found_.size() > wanted_) found_.resize(wanted_);
    for (const int64_t row : found_) {
      Result<StoredTrace> trace = ReadTrace(db_, row);
      // Retention may have taken it meanwhile.
      if (!trace && trace.error().code == Code::kNotFound) continue;
      if (!trace) return std::unexpected(trace.error());
      out.push_back(std::move(*trace));
    }
    std::stable_sort(out.begin(), out.end(), [](const StoredTrace& a, const StoredTrace& b) {
      return a.start_ns > b.start_ns;
    });
    if (out.size() > filter_.limit) out.resize(filter_.limit);
    return out;
  }

 private:
  using Bounds = std::pair<int64_t, int64_t>;  // rows of traces, [first, second)

  bool OfSpans() const {
    return !filter_.service.empty() || !filter_.operation.empty() || !filter_.attributes.empty();
  }
  bool BoundedDuration() const {
    return filter_.min_duration_ns > 0 || filter_.max_duration_ns < INT64_MAX;
  }

  // The rows of traces that can have begun in the time asked for.
  Result<void> FindBounds() {
    Result<Statement> slices = db_.Prepare(
        "SELECT first_trace, (SELECT min(first_trace) FROM slices n WHERE n.id > s.id)"
        " FROM slices s WHERE max_start_ns >= ?1 AND min_start_ns < ?2 ORDER BY id");
    if (!slices) return std::unexpected(slices.error());
    slices->Bind(1, filter_.from_ns);
    slices->Bind(2, filter_.to_ns);
    for (;;) {
      const Result<bool> row = slices->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) break;
      low_ = std::min(low_, slices->Int(0));
      high_ = std::max(high_, slices->IsNull(1) ? kLastTrace : slices->Int(1));
    }
    low_ = std::max(low_, filter_.after_row + 1);
    return {};
  }

  std::string Conditions(std::string_view alias) const {
    std::string sql;
    if (filter_.min_duration_ns > 0)
      sql += fmt::format(" AND {}.duration_ns >= {}", alias, filter_.min_duration_ns);
    if (filter_.max_duration_ns < INT64_MAX)
      sql += fmt::format(" AND {}.duration_ns <= {}", alias, filter_.max_duration_ns);
    return sql;
  }

  // Ranges of classes that can match, in order: [first, second].
  std::vector<std::pair<int, int>> ClassRanges() const {
    const int low = DurationClass(filter_.min_duration_ns);
    const int high = DurationClass(filter_.max_duration_ns);
    std::vector<std::pair<int, int>> ranges;
    if (!filter_.errors) ranges.push_back({low, high});
    ranges.push_back({low + kErrorClass, high + kErrorClass});
    return ranges;
  }

  Result<void> ByTrace() {
    const bool any = !BoundedDuration() && !filter_.errors;
    Result<Statement> rows = db_.Prepare(
        any && filter_.after_row > 0
            ? "SELECT id << 20 FROM trace_rows WHERE id >= ?1 AND id < ?2 ORDER BY id DESC"
        : any ? "SELECT id << 20 FROM trace_rows WHERE start_ns >= ?1 AND start_ns < ?2"
                " ORDER BY start_ns DESC"
              : fmt::format("SELECT id << 20 FROM trace_rows t WHERE class = ?3 AND id >= ?1"
                            " AND id < ?2{} ORDER BY id DESC",
                            Conditions("t")));
    if (!rows) return std::unexpected(rows.error());
    if (any && filter_.after_row > 0) return Take(*rows, {low_, high_});
    if (any) return Take(*rows, {filter_.from_ns, filter_.to_ns});
    Result<Statement> next =
        db_.Prepare("SELECT min(class) FROM trace_rows WHERE class >= ?1 AND class <= ?2");
    if (!next) return std::unexpected(next.error());
    const auto find = [&](int low, int high) -> Result<int> {
      next->Bind(1, int64_t{low});
      next->Bind(2, int64_t{high});
      return First(*next);
    };
    return EachClass(find, [&](int number) {
      rows->Bind(3, int64_t{number});
      return Take(*rows, {low_, high_});
    });
  }

  Result<void> BySpans() {
    Result<int64_t> last = db_.QueryInt("SELECT max(id) FROM trace_rows");
    if (!last) return std::unexpected(last.error());
    high_ = std::min(high_, *last + 1);
    const bool any = filter_.service.empty() && filter_.operation.empty();
    Result<std::vector<int64_t>> operations = std::vector<int64_t>{};
    if (!any) operations = Operations();
    if (!operations) return std::unexpected(operations.error());
    if (!any && operations->empty()) return {};
    const std::string where =
        any ? "" : fmt::format("+s.operation IN ({}) AND ", fmt::join(*operations, ","));
    WEFT_TRY(Scan(where));
    if (found_.size() >= wanted_ || high_ <= low_) return {};
    return filter_.attributes.empty() ? ByOperation(*operations) : ByAttribute(where);
  }

  // The newest traces, whatever they are; goes on while there are not enough. high_ is then where
  // the rest begins. Looking into attributes costs a microsecond a row: one step will do.
  Result<void> Scan(const std::string& where) {
    Result<Statement> probe = Prepare(where);
    if (!probe) return std::unexpected(probe.error());
    const int scans = filter_.attributes.empty() ? kScans : 1;
    for (int i = 0; i < scans && high_ > low_ && found_.size() < wanted_; ++i) {
      const int64_t from = std::max(low_, high_ - kScanTraces);
      WEFT_TRY(Take(*probe, {from, high_}));
      high_ = from;
    }
    return {};
  }

  // The traces that the directories name for the first pair, checked: the newest batches each by
  // itself, what is before them by groups.
  Result<void> ByAttribute(const std::string& where) {
    Result<Statement> probe = Prepare(where);
    if (!probe) return std::unexpected(probe.error());
    Result<AttributeLookup> lookup = AttributeLookup::Make(
        db_, filter_.attributes[0].first, filter_.attributes[0].second, AttributeFilter::SetsOf(0));
    if (!lookup) return std::unexpected(lookup.error());
    int64_t end = high_;  // of what is left
    Result<Statement> groups = db_.Prepare(
        "SELECT first_trace, end_trace, how, ranges FROM attribute_groups"
        " WHERE first_trace < ?1 AND end_trace > ?2 ORDER BY first_trace DESC");
    if (!groups) return std::unexpected(groups.error());
    groups->Bind(1, high_);
    groups->Bind(2, low_);
    while (found_.size() < wanted_ && end > low_) {
      const Result<bool> row = groups->Step();
      if (!row) return std::unexpected(row.error());
      const int64_t grouped = *row ? std::clamp(groups->Int(1), low_, end) : low_;
      if (grouped < end) WEFT_TRY(ByBatches(*lookup, *probe, {grouped, end}));
      if (!*row || found_.size() >= wanted_) return {};
      end = std::max(groups->Int(0), low_);
      if (groups->Int(2) == 2)
        WEFT_TRY(TakeAll(lookup->FindMerged(groups->Int(0), groups->Int(1), groups->Text(3)),
                         *probe, {end, grouped}));
      else if (groups->Int(2) == 1)
        WEFT_TRY(ByBatches(*lookup, *probe, {end, grouped}));
      else
        WEFT_TRY(Take(*probe, {end, grouped}));
    }
    return {};
  }

  Result<void> ByBatches(AttributeLookup& lookup, Statement& rows, Bounds bounds) {
    Result<Statement> batches = db_.Prepare(
        "SELECT first_trace, last_trace FROM span_directory WHERE last_trace >= ?1 AND"
        " first_trace < ?2 ORDER BY last_trace DESC");
    if (!batches) return std::unexpected(batches.error());
    batches->Bind(1, bounds.first);
    batches->Bind(2, bounds.second);
    while (found_.size() < wanted_) {
      const Result<bool> row = batches->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      WEFT_TRY(TakeAll(lookup.Find(batches->Int(0), batches->Int(1)), rows, bounds));
    }
    return {};
  }

  Result<void> TakeAll(const Result<std::vector<AttributeLookup::Range>>& ranges, Statement& rows,
                       Bounds bounds) {
    if (!ranges) return std::unexpected(ranges.error());
    for (const auto& [from, to] : *ranges)
      if (found_.size() < wanted_ && std::max(from, bounds.first) < std::min(to, bounds.second))
        WEFT_TRY(Take(rows, {std::max(from, bounds.first), std::min(to, bounds.second)}));
    return {};
  }

  Result<std::vector<int64_t>> Operations() {
    Result<Statement> operations = db_.Prepare(
        "SELECT id FROM operations WHERE (?1 = '' OR service = ?1) AND (?2 = '' OR name = ?2)"
        " ORDER BY id");
    if (!operations) return std::unexpected(operations.error());
    operations->Bind(1, std::string_view(filter_.service));
    operations->Bind(2, std::string_view(filter_.operation));
    std::vector<int64_t> ids;
    for (;;) {
      const Result<bool> row = operations->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return ids;
      ids.push_back(operations->Int(0));
    }
  }

  Result<void> ByOperation(const std::vector<int64_t>& operations) {
    Result<Statement> next = db_.Prepare(
        "SELECT min(class) FROM span_rows WHERE id >> 33 = ?1 AND operation = ?2"
        " AND class >= ?3 AND class <= ?4");
    if (!next) return std::unexpected(next.error());
    Result<Statement> noted = db_.Prepare("SELECT classes FROM class_blocks WHERE block = ?1");
    if (!noted) return std::unexpected(noted.error());
    Result<Statement> probe = Prepare("s.id >> 33 = ?3 AND s.operation = ?4 AND s.class = ?5 AND ");
    if (!probe) return std::unexpected(probe.error());
    const auto take = [&](int64_t block, int64_t operation, int number) {
      probe->Bind(3, block);
      probe->Bind(4, operation);
      probe->Bind(5, int64_t{number});
      return Take(*probe, {low_, high_});
    };
    for (int64_t block = (high_ - 1) >> kBlockShift;
         found_.size() < wanted_ && block >= low_ >> kBlockShift; --block) {
      noted->Bind(1, block);
      const Result<bool> known = noted->Step();
      if (!known) return std::unexpected(known.error());
      if (*known) {
        WEFT_TRY(ByNotes(operations, noted->Text(0), [&](int64_t operation, int number) {
          return take(block, operation, number);
        }));
        noted->Reset();
        continue;
      }
      for (const int64_t operation : operations) {
        const auto find = [&](int low, int high) -> Result<int> {
          next->Bind(1, block);
          next->Bind(2, operation);
          next->Bind(3, int64_t{low});
          next->Bind(4, int64_t{high});
          return First(*next);
        };
        WEFT_TRY(EachClass(find, [&](int number) { return take(block, operation, number); }));
      }
    }
    return {};
  }

  // Calls `visit` for the operations and classes that a block has by its row in class_blocks.
  // Requires: operations ascending.
  template <typename Visit>
  Result<void> ByNotes(const std::vector<int64_t>& operations, std::string_view notes,
                       const Visit& visit) {
    const auto ranges = ClassRanges();
    auto operation = operations.begin();
    for (size_t i = 0; i < notes.size() / kClassMaskBytes; ++i) {
      const ClassMask mask = ReadMask(notes, i);
      operation = std::lower_bound(operation, operations.end(), int64_t{mask.operation});
      if (operation == operations.end()) return {};
      if (*operation != mask.operation) continue;
      for (const auto& [low, high] : ranges)
        for (int number = low; number <= high; ++number)
          if (mask.Has(number)) WEFT_TRY(visit(*operation, number));
    }
    return {};
  }

  // The number that the statement gives; -1 for NULL.
  static Result<int> First(Statement& statement) {
    const Result<bool> row = statement.Step();
    if (!row) return std::unexpected(row.error());
    const int number = *row && !statement.IsNull(0) ? static_cast<int>(statement.Int(0)) : -1;
    statement.Reset();
    return number;
  }

  // Calls `visit` for each class in the ranges that has rows, by skipping from one to the next: one
  // question where there is none, as mostly.
  template <typename Find, typename Visit>
  Result<void> EachClass(const Find& find, const Visit& visit) {
    const auto ranges = ClassRanges();
    int from = ranges.front().first;
    for (size_t i = 0; i < ranges.size();) {
      const Result<int> number = find(from, ranges.back().second);
      if (!number) return std::unexpected(number.error());
      if (*number < 0) return {};
      while (i < ranges.size() && *number > ranges[i].second) ++i;
      if (i == ranges.size()) return {};
      if (*number >= ranges[i].first) WEFT_TRY(visit(*number));
      from = std::max(*number + 1, ranges[i].first);
    }
    return {};
  }

  // The newest spans under `where` that fulfil the rest of the filter; ?1 and ?2 bound the traces.
  Result<Statement> Prepare(const std::string& where) {
    std::string sql = "SELECT s.id FROM span_rows s WHERE " + where +
                      "s.id >= ?1 << 20 AND s.id < ?2 << 20" + Conditions("s");
    if (filter_.errors) sql += " AND s.status = 2";
    Result<Statement> rows = db_.Prepare(sql + attributes_.conditions() + " ORDER BY s.id DESC");
    if (rows) attributes_.Bind(*rows);
    return rows;
  }

  // Collects the traces of the rows that the statement gives, at most as many as are wanted.
  Result<void> Take(Statement& rows, Bounds bounds) {
    rows.Bind(1, bounds.first);
    rows.Bind(2, bounds.second);
    int64_t last = -1;
    for (size_t taken = 0; taken < wanted_;) {
      const Result<bool> row = rows.Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      const int64_t trace = rows.Int(0) >> kTraceShift;
      if (trace == last) continue;
      last = trace;
      const Result<bool> fits = Fits(trace);
      if (!fits) return std::unexpected(fits.error());
      if (!*fits) continue;
      ++taken;
      if (known_.insert(trace).second) found_.push_back(trace);
    }
    rows.Reset();
    return {};
  }

  Result<void> PrepareStart() {
    Result<Statement> start = db_.Prepare("SELECT start_ns FROM trace_rows WHERE id = ?1");
    if (!start) return std::unexpected(start.error());
    start_ = std::move(*start);
    return {};
  }

  // Whether the trace began in the time asked for.
  Result<bool> Fits(int64_t row) {
    if (filter_.from_ns == INT64_MIN && filter_.to_ns == INT64_MAX) return true;
    start_.Bind(1, row);
    const Result<bool> found = start_.Step();
    if (!found || !*found) return found;
    const int64_t start = start_.Int(0);
    start_.Reset();
    return start >= filter_.from_ns && start < filter_.to_ns;
  }

  static constexpr int kFirstText = 6;  // parameters before: bounds, block, operation, class
  static constexpr int64_t kLastTrace = INT64_MAX >> kTraceShift;
  static constexpr size_t kMargin = 100;
  static constexpr int kScans = 8;
  static constexpr int64_t kScanTraces = 64;

  const Database& db_;
  const TraceFilter& filter_;
  const size_t wanted_;
  int64_t low_ = kLastTrace, high_ = 0;  // trace rows
  AttributeFilter attributes_;
  Statement start_;
  std::vector<int64_t> found_;
  std::unordered_set<int64_t> known_;
};

}  // namespace

Result<std::vector<StoredTrace>> SearchTraces(const Database& db, const TraceFilter& filter) {
  const ReadTransaction whole(db);
  return Search(db, filter).Run();
}

}  // namespace weft::sql
