#include "sql/trace_search.h"

#include <algorithm>
#include <functional>
#include <unordered_set>

#include <fmt/format.h>

#include "sql/attribute_lookup.h"
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
    WEFT_TRY(FindSets());
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
      if (!*row) return {};
      low_ = std::min(low_, slices->Int(0));
      high_ = std::max(high_, slices->IsNull(1) ? kLastTrace : slices->Int(1));
    }
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
        any ? "SELECT id << 20 FROM trace_rows WHERE start_ns >= ?1 AND start_ns < ?2"
              " ORDER BY start_ns DESC"
            : fmt::format("SELECT id << 20 FROM trace_rows t WHERE class = ?3 AND id >= ?1"
                          " AND id < ?2{} ORDER BY id DESC",
                          Conditions("t")));
    if (!rows) return std::unexpected(rows.error());
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
    Result<Probing> probe = Prepare(where);
    if (!probe) return std::unexpected(probe.error());
    const int scans = filter_.attributes.empty() ? kScans : 1;
    for (int i = 0; i < scans && high_ > low_ && found_.size() < wanted_; ++i) {
      const int64_t from = std::max(low_, high_ - kScanTraces);
      WEFT_TRY(Take(probe->rows, {from, high_}));
      high_ = from;
    }
    return {};
  }

  // Batch by batch, newest first: the traces that the directory names for the first pair, checked.
  Result<void> ByAttribute(const std::string& where) {
    Result<Probing> probe = Prepare(where);
    if (!probe) return std::unexpected(probe.error());
    Result<AttributeLookup> lookup = AttributeLookup::Make(
        db_, filter_.attributes[0].first, filter_.attributes[0].second, "temp.sets_0");
    if (!lookup) return std::unexpected(lookup.error());
    Result<Statement> batches = db_.Prepare(
        "SELECT first_trace, last_trace FROM span_directory WHERE last_trace >= ?1 AND"
        " first_trace < ?2 ORDER BY id DESC");
    if (!batches) return std::unexpected(batches.error());
    batches->Bind(1, low_);
    batches->Bind(2, high_);
    while (found_.size() < wanted_) {
      const Result<bool> row = batches->Step();
      if (!row) return std::unexpected(row.error());
      if (!*row) return {};
      const int64_t first = batches->Int(0), last = batches->Int(1);
      Result<std::vector<AttributeLookup::Range>> ranges = lookup->Find(first, last);
      if (!ranges) return std::unexpected(ranges.error());
      for (const auto& [from, to] : *ranges)
        if (std::max(from, low_) < std::min(to, high_))
          WEFT_TRY(Take(probe->rows, {std::max(from, low_), std::min(to, high_)}));
    }
    return {};
  }

  Result<std::vector<int64_t>> Operations() {
    Result<Statement> operations = db_.Prepare(
        "SELECT id FROM operations WHERE (?1 = '' OR service = ?1) AND (?2 = '' OR name = ?2)");
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
    Result<Probing> probe = Prepare("s.id >> 33 = ?3 AND s.operation = ?4 AND s.class = ?5 AND ");
    if (!probe) return std::unexpected(probe.error());
    for (int64_t block = (high_ - 1) >> kBlockShift;
         found_.size() < wanted_ && block >= low_ >> kBlockShift; --block) {
      for (const int64_t operation : operations) {
        const auto find = [&](int low, int high) -> Result<int> {
          next->Bind(1, block);
          next->Bind(2, operation);
          next->Bind(3, int64_t{low});
          next->Bind(4, int64_t{high});
          return First(*next);
        };
        WEFT_TRY(EachClass(find, [&](int number) {
          probe->rows.Bind(3, block);
          probe->rows.Bind(4, operation);
          probe->rows.Bind(5, int64_t{number});
          return Take(probe->rows, {low_, high_});
        }));
      }
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

  struct Probing {
    Statement rows;
    std::vector<std::string> texts;  // lent to the statement
  };

  // The newest spans under `where` that fulfil the rest of the filter; ?1 and ?2 bound the traces.
  Result<Probing> Prepare(const std::string& where) {
    std::string sql = "SELECT s.id FROM span_rows s WHERE " + where +
                      "s.id >= ?1 << 20 AND s.id < ?2 << 20" + Conditions("s");
    if (filter_.errors) sql += " AND s.status = 2";
    Probing out;
    for (size_t i = 0; i < filter_.attributes.size(); ++i) {
      sql +=
          fmt::format(" AND (s.attribute_set IN (SELECT id FROM temp.sets_{}) OR {})", i,
                      HasValue("s.attributes", 2 * i + kFirstText, filter_.attributes[i].second));
      out.texts.push_back(JsonPath(filter_.attributes[i].first));
      out.texts.push_back(filter_.attributes[i].second);
    }
    Result<Statement> rows = db_.Prepare(sql + " ORDER BY s.id DESC");
    if (!rows) return std::unexpected(rows.error());
    out.rows = std::move(*rows);
    for (size_t i = 0; i < out.texts.size(); ++i)
      out.rows.Bind(static_cast<int>(i) + kFirstText, std::string_view(out.texts[i]));
    return out;
  }

  // Whether the attributes have the parameter `path` with the value of the parameter after it.
  // SQLite takes true for 1, so the word asks for the type.
  static std::string HasValue(std::string_view json, size_t path, const std::string& value) {
    const std::string same =
        fmt::format("CAST(json_extract({}, ?{}) AS TEXT) = ?{}", json, path, path + 1);
    if (value != "true" && value != "false") return same;
    return fmt::format("({} OR json_type({}, ?{}) = ?{})", same, json, path, path + 1);
  }

  static std::string JsonPath(const std::string& key) { return "$.\"" + key + "\""; }

  // The attribute sets with each pair, once per search, so that rows compare numbers. Before all
  // other statements: tables are not dropped while one is running.
  Result<void> FindSets() {
    for (size_t i = 0; i < filter_.attributes.size(); ++i) {
      const auto& [key, value] = filter_.attributes[i];
      WEFT_TRY(db_.Execute(fmt::format("DROP TABLE IF EXISTS temp.sets_{}", i)));
      Result<Statement> make =
          db_.Prepare(fmt::format("CREATE TEMP TABLE sets_{} AS SELECT id FROM attribute_sets"
                                  " WHERE {}",
                                  i, HasValue("json", 1, value)));
      if (!make) return std::unexpected(make.error());
      const std::string path = JsonPath(key);
      make->Bind(1, std::string_view(path));
      make->Bind(2, std::string_view(value));
      WEFT_TRY(make->Run());
      WEFT_TRY(db_.Execute(fmt::format("CREATE INDEX temp.sets_{0}_id ON sets_{0}(id)", i)));
    }
    return {};
  }

  // Collects the traces of the rows that the statement gives, at most as many as are wanted.
  Result<void> Take(Statement& rows, std::pair<int64_t, int64_t> bounds) {
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
