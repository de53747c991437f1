#include "sql/attribute_lookup.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "engine/base/json_text.h"
#include "sql/attribute_hash.h"

namespace weft::sql {

Result<AttributeLookup> AttributeLookup::Make(const Database& db, const std::string& key,
                                              const std::string& value, const std::string& sets) {
  AttributeLookup out;
  Result<Statement> part =
      db.Prepare("SELECT entries FROM attribute_directory WHERE first_trace = ?1 AND part = ?2");
  if (!part) return std::unexpected(part.error());
  out.part_ = std::move(*part);
  Result<Statement> merged =
      db.Prepare("SELECT entries FROM attribute_parts WHERE first_trace = ?1 AND part = ?2");
  if (!merged) return std::unexpected(merged.error());
  out.merged_ = std::move(*merged);
  Result<Statement> joined = db.Prepare(
      "SELECT first_trace, part, entries FROM attribute_directory"
      " WHERE first_trace >= ?1 AND first_trace < ?2");
  if (!joined) return std::unexpected(joined.error());
  out.joined_ = std::move(*joined);
  // A text, or what is written without quotes; SQLite takes true for 1.
  std::string name, text;
  AppendJsonString(name, key);
  AppendJsonString(text, value);
  for (const std::string& json : {text, value,
                                  std::string(value == "1"   ? "true"
                                              : value == "0" ? "false"
                                                             : "")})
    if (!json.empty()) out.Want(PairHash(fmt::format("{}:{}", name, json)));
  Result<Statement> ids = db.Prepare("SELECT id FROM " + sets);
  if (!ids) return std::unexpected(ids.error());
  for (;;) {
    const Result<bool> row = ids->Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    out.Want(SetHash(ids->Int(0)));
  }
  for (auto* wanted : {&out.wanted_, &out.wanted_merged_})
    for (auto& [number, entries] : *wanted) std::sort(entries.begin(), entries.end());
  return out;
}

void AttributeLookup::Want(uint64_t hash) {
  const uint32_t part = PartOf(hash), entry = EntryOf(hash, 0);
  wanted_[part].push_back(entry);
  wanted_merged_[MergedPartOf(part, entry)].push_back(MergedHashOf(MergedEntryOf(entry, 0)));
}

Result<std::vector<AttributeLookup::Range>> AttributeLookup::FindMerged(int64_t first, int64_t end,
                                                                        std::string_view ranges) {
  std::vector<Range> out;
  for (const auto& [number, wanted] : wanted_merged_) {
    merged_.Bind(1, first);
    merged_.Bind(2, int64_t{number});
    const Result<bool> found = merged_.Step();
    if (!found) return std::unexpected(found.error());
    if (!*found) continue;
    for (const uint32_t entry : Entries(merged_.Text(0))) {
      const uint32_t trace = MergedTraceOf(entry);
      if (!std::binary_search(wanted.begin(), wanted.end(), MergedHashOf(entry))) continue;
      if ((entry & kMergedSome) == 0) {
        out.emplace_back(first + trace, first + trace + 1);
        continue;
      }
      int64_t last = end - 1;  // of the batch that begins there
      for (const uint32_t range : Entries(ranges))
        if (range >> 16 == trace) last = first + (range & 0xffff);
      out.emplace_back(first + trace, last + 1);
    }
    merged_.Reset();
  }
  WEFT_TRY(FindJoined(first, end, out));
  std::sort(out.begin(), out.end(), std::greater<>());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

// What has joined a trace of the group since it was merged.
Result<void> AttributeLookup::FindJoined(int64_t first, int64_t end, std::vector<Range>& out) {
  joined_.Bind(1, first);
  joined_.Bind(2, end);
  for (;;) {
    const Result<bool> row = joined_.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
    const auto wanted = wanted_.find(static_cast<uint32_t>(joined_.Int(1)) % kJoinedPart);
    if (wanted == wanted_.end()) continue;
    for (const uint32_t entry : Entries(joined_.Text(2)))
      if (entry == kAnything || std::ranges::binary_search(wanted->second, entry - TraceOf(entry)))
        out.emplace_back(joined_.Int(0), joined_.Int(0) + 1);
  }
}

Result<std::vector<AttributeLookup::Range>> AttributeLookup::Find(int64_t first, int64_t last) {
  // What joined a stored trace later stands alone.
  if (first == last) return std::vector<Range>{{first, last + 1}};
  std::vector<int64_t> traces;
  bool any = false;
  const auto read = [&](uint32_t number, const std::vector<uint32_t>* wanted) -> Result<bool> {
    part_.Bind(1, first);
    part_.Bind(2, int64_t{number});
    const Result<bool> found = part_.Step();
    if (!found || !*found) return found;
    for (const uint32_t entry : Entries(wanted ? part_.Text(0) : std::string_view{})) {
      const uint32_t trace = TraceOf(entry);
      if (!std::binary_search(wanted->begin(), wanted->end(), entry - trace)) continue;
      traces.push_back(trace == kSomeTraces ? -1 : first + trace);
    }
    part_.Reset();
    return true;
  };
  for (const auto& [number, entries] : wanted_) {
    const Result<bool> found = read(number, &entries);
    if (!found) return std::unexpected(found.error());
    any |= *found;
  }
  if (!any) {
    const Result<bool> found = read(0, nullptr);
    if (!found) return std::unexpected(found.error());
    any = *found;
  }
  if (!any || std::ranges::find(traces, -1) != traces.end())
    return std::vector<Range>{{first, last + 1}};
  std::sort(traces.begin(), traces.end(), std::greater<>());
  traces.erase(std::unique(traces.begin(), traces.end()), traces.end());
  std::vector<Range> ranges;
  for (const int64_t trace : traces) ranges.emplace_back(trace, trace + 1);
  return ranges;
}

}  // namespace weft::sql
