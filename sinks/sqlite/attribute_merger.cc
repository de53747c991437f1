#include "sinks/sqlite/attribute_merger.h"

#include <algorithm>

namespace weft::sinks {
namespace {

constexpr int64_t kByRows = 0, kByParts = 2;  // attribute_groups.how

std::string Bytes(const std::vector<uint32_t>& entries) {
  std::string out;
  out.reserve(4 * entries.size());
  for (const uint32_t entry : entries) sql::AppendEntry(out, entry);
  return out;
}

}  // namespace

Result<void> AttributeMerger::Prepare(const sql::Database& db) {
  const sql::StatementText all[] = {
      {&newest_,
       "SELECT first_trace, end_trace, how, entries FROM attribute_groups"
       " ORDER BY first_trace DESC LIMIT 1"},
      {&before_,
       "SELECT first_trace, end_trace, how, entries FROM attribute_groups"
       " WHERE first_trace < ?1 ORDER BY first_trace DESC LIMIT 1"},
      {&after_,
       "SELECT first_trace FROM attribute_directory WHERE first_trace > ?1 AND part = 0"
       " ORDER BY first_trace LIMIT 1"},
      {&batches_,
       "SELECT first_trace, part, entries FROM attribute_directory"
       " WHERE first_trace >= ?1 AND first_trace < ?2"},
      {&groups_,
       "SELECT first_trace, ranges FROM attribute_groups"
       " WHERE first_trace >= ?1 AND first_trace < ?2"},
      {&parts_of_,
       "SELECT first_trace, part, entries FROM attribute_parts"
       " WHERE first_trace >= ?1 AND first_trace < ?2"},
      {&drop_batches_,
       "DELETE FROM attribute_directory WHERE first_trace >= ?1 AND first_trace < ?2"
       " AND NOT (part >= 32 AND entries = x'ff1f0000')"},  // kJoinedPart, kAnything
      {&drop_parts_, "DELETE FROM attribute_parts WHERE first_trace >= ?1 AND first_trace < ?2"},
      {&drop_groups_, "DELETE FROM attribute_groups WHERE first_trace >= ?1 AND first_trace < ?2"},
      {&add_part_, "INSERT INTO attribute_parts VALUES(?1, ?2, ?3)"},
      {&add_group_, "INSERT INTO attribute_groups VALUES(?1, ?2, ?3, ?4, ?5)"},
  };
  return db.PrepareAll(all);
}

void AttributeMerger::Forget() {
  loaded_ = false;
  unmerged_.clear();
}

Result<void> AttributeMerger::Load() {
  const Result<Group> newest = Newest();
  if (!newest) return std::unexpected(newest.error());
  for (int64_t last = newest->end - 1;;) {
    after_.Bind(1, last);
    const Result<bool> row = after_.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    unmerged_.push_back(last = after_.Int(0));
    after_.Reset();
  }
  loaded_ = true;
  return {};
}

Result<void> AttributeMerger::Add(int64_t first_trace) {
  if (!loaded_) WEFT_TRY(Load());  // finds this batch as well
  if (unmerged_.empty() || unmerged_.back() < first_trace) unmerged_.push_back(first_trace);
  if (unmerged_.size() < kKept + kAtOnce) return {};
  WEFT_TRY(MergeBatches());
  return MergeGroups();
}

Result<AttributeMerger::Group> AttributeMerger::Newest() {
  const Result<bool> row = newest_.Step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return Group{.first = 0, .end = 0};
  const Group group{newest_.Int(0), newest_.Int(1), newest_.Int(2),
                    static_cast<uint64_t>(newest_.Int(3))};
  newest_.Reset();
  return group;
}

Result<void> AttributeMerger::MergeBatches() {
  // Groups have no gaps between them, but where retention has taken what there was.
  const Result<Group> newest = Newest();
  if (!newest) return std::unexpected(newest.error());
  int64_t first = newest->end;
  if (unmerged_[1] - first > sql::kMergedTraces) {
    first = unmerged_[0];
    if (first > newest->end) WEFT_TRY(Put(newest->end, first, kByRows));
  }
  size_t n = 0;
  while (n < kAtOnce && unmerged_[n + 1] - first <= sql::kMergedTraces) ++n;
  if (n > 0) {
    WEFT_TRY(Merge(first, unmerged_[n]));
  } else {
    // More traces in one batch than an entry can number: where many match, many are near.
    n = 1;
    WEFT_TRY(Remove(first, unmerged_[1]));
    WEFT_TRY(Put(first, unmerged_[1], kByRows));
  }
  unmerged_.erase(unmerged_.begin(), unmerged_.begin() + static_cast<std::ptrdiff_t>(n));
  return {};
}

// As in a binary counter: an entry is written again once per doubling.
Result<void> AttributeMerger::MergeGroups() {
  for (;;) {
    const Result<Group> last = Newest();
    if (!last) return std::unexpected(last.error());
    before_.Bind(1, last->first);
    const Result<bool> row = before_.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    const Group earlier{before_.Int(0), before_.Int(1), before_.Int(2),
                        static_cast<uint64_t>(before_.Int(3))};
    before_.Reset();
    const bool fit =
        earlier.how == kByParts && last->how == kByParts && earlier.end == last->first &&
        last->end - earlier.first <= sql::kMergedTraces &&
        earlier.entries + last->entries <= kMaxEntries && earlier.entries <= 2 * last->entries;
    if (!fit) return {};
    WEFT_TRY(Merge(earlier.first, last->end));
  }
}

Result<void> AttributeMerger::Merge(int64_t first, int64_t end) {
  for (std::vector<uint32_t>& part : parts_) part.clear();
  ranges_.clear();
  WEFT_TRY(GatherGroups(first, end));
  WEFT_TRY(GatherBatches(first, end));
  WEFT_TRY(Remove(first, end));
  return Put(first, end, kByParts);
}

Result<void> AttributeMerger::GatherGroups(int64_t first, int64_t end) {
  groups_.Bind(1, first);
  groups_.Bind(2, end);
  for (;;) {
    const Result<bool> row = groups_.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    const auto shift = static_cast<uint32_t>(groups_.Int(0) - first);
    for (const uint32_t range : sql::Entries(groups_.Text(1)))
      ranges_.push_back(range + (shift << 16 | shift));
  }
  parts_of_.Bind(1, first);
  parts_of_.Bind(2, end);
  for (;;) {
    const Result<bool> row = parts_of_.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    const auto shift = static_cast<uint32_t>(parts_of_.Int(0) - first);
    const auto part = static_cast<uint64_t>(parts_of_.Int(1));
    if (part >= parts_.size()) continue;
    for (const uint32_t entry : sql::Entries(parts_of_.Text(2)))
      parts_[part].push_back(entry + shift);
  }
}

Result<void> AttributeMerger::GatherBatches(int64_t first, int64_t end) {
  batches_.Bind(1, first);
  batches_.Bind(2, end);
  for (;;) {
    const Result<bool> row = batches_.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    const int64_t batch = batches_.Int(0);
    const auto number = static_cast<uint32_t>(batches_.Int(1)), part = number % sql::kJoinedPart;
    for (const uint32_t entry : sql::Entries(batches_.Text(2))) {
      if (number >= sql::kJoinedPart && entry == sql::kAnything) continue;  // Remove leaves it
      std::vector<uint32_t>& out = parts_[sql::MergedPartOf(part, entry)];
      const auto begin = static_cast<uint32_t>(batch - first);
      if (sql::TraceOf(entry) != sql::kSomeTraces) {
        out.push_back(sql::MergedEntryOf(entry, begin + sql::TraceOf(entry)));
        continue;
      }
      out.push_back(sql::MergedEntryOf(entry, begin) | sql::kMergedSome);
      const auto next = std::ranges::upper_bound(unmerged_, batch);
      const int64_t last = next == unmerged_.end() ? end - 1 : *next - 1;
      ranges_.push_back(begin << 16 | static_cast<uint32_t>(std::min(last, end - 1) - first));
    }
  }
}

Result<void> AttributeMerger::Remove(int64_t first, int64_t end) {
  for (sql::Statement* drop : {&drop_batches_, &drop_parts_, &drop_groups_}) {
    drop->Bind(1, first);
    drop->Bind(2, end);
    WEFT_TRY(drop->Run());
  }
  return {};
}

Result<void> AttributeMerger::Put(int64_t first, int64_t end, int64_t how) {
  size_t count = 0;
  for (uint32_t part = 0; how == kByParts && part < parts_.size(); ++part) {
    std::vector<uint32_t>& entries = parts_[part];
    if (entries.empty()) continue;
    std::sort(entries.begin(), entries.end());
    entries.erase(std::unique(entries.begin(), entries.end()), entries.end());
    count += entries.size();
    const std::string bytes = Bytes(entries);
    add_part_.Bind(1, first);
    add_part_.Bind(2, int64_t{part});
    add_part_.BindBlob(3, bytes);
    WEFT_TRY(add_part_.Run());
  }
  std::sort(ranges_.begin(), ranges_.end());
  ranges_.erase(std::unique(ranges_.begin(), ranges_.end()), ranges_.end());
  const std::string ranges = how == kByParts ? Bytes(ranges_) : std::string{};
  add_group_.Bind(1, first);
  add_group_.Bind(2, end);
  add_group_.Bind(3, how);
  add_group_.Bind(4, static_cast<int64_t>(count));
  add_group_.BindBlob(5, ranges);
  return add_group_.Run();
}

}  // namespace weft::sinks
