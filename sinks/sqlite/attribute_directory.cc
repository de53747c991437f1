#include "sinks/sqlite/attribute_directory.h"

#include <algorithm>

namespace weft::sinks {

Result<void> AttributeDirectory::Prepare(const sql::Database& db) {
  const sql::StatementText all[] = {
      {&add_, "INSERT INTO attribute_directory VALUES(?1, ?2, ?3)"},
      {&find_, "SELECT entries FROM attribute_directory WHERE first_trace = ?1 AND part = ?2"},
      {&put_,
       "INSERT INTO attribute_directory VALUES(?1, ?2, ?3)"
       " ON CONFLICT DO UPDATE SET entries = ?3"},
  };
  return db.PrepareAll(all);
}

void AttributeDirectory::Begin(int64_t first_trace) {
  first_trace_ = first_trace;
  any_ = false;
  for (std::string& part : parts_) part.clear();
  sets_.clear();
  joined_.clear();
}

void AttributeDirectory::Add(int64_t trace, int64_t set, std::span<const uint64_t> pairs) {
  any_ = true;
  const auto number =
      static_cast<uint32_t>(std::min<int64_t>(trace - first_trace_, int64_t{sql::kSomeTraces}));
  for (const uint64_t pair : pairs) Note(pair, number);
  if (set == 0) return;
  SetTraces& of = sets_[set];
  // The spans of a trace come one after the other.
  if (of.count > 0 && of.count <= of.traces.size() && of.traces[of.count - 1] == number) return;
  if (of.count < of.traces.size()) of.traces[of.count] = number;
  of.count = std::min<uint32_t>(of.count + 1, static_cast<uint32_t>(of.traces.size()) + 1);
}

void AttributeDirectory::Join(int64_t trace, int64_t set, std::span<const uint64_t> pairs) {
  const auto note = [&](uint64_t hash) {
    joined_[{trace, sql::PartOf(hash)}].push_back(sql::EntryOf(hash, 0));
  };
  for (const uint64_t pair : pairs) note(pair);
  if (set != 0) note(sql::SetHash(set));
}

Result<void> AttributeDirectory::FinishJoined() {
  for (auto& [of, entries] : joined_)
    WEFT_TRY(PutJoined(of.first, sql::kJoinedPart + of.second, entries));
  return {};
}

// A long trace is joined by every batch, most often with what it has: then nothing is written.
Result<void> AttributeDirectory::PutJoined(int64_t trace, uint32_t part, Entries& entries) {
  const auto unite = [&] {
    std::ranges::sort(entries);
    const auto repeats = std::ranges::unique(entries);
    entries.erase(repeats.begin(), repeats.end());
  };
  unite();
  find_.Bind(1, trace);
  find_.Bind(2, int64_t{part});
  const Result<bool> found = find_.Step();
  if (!found) return std::unexpected(found.error());
  if (*found) {
    Entries stored;
    for (const uint32_t entry : sql::Entries(find_.Text(0))) stored.push_back(entry);
    find_.Reset();
    std::ranges::sort(stored);
    if (std::ranges::includes(stored, entries) || stored == Entries{sql::kAnything}) return {};
    entries.insert(entries.end(), stored.begin(), stored.end());
    unite();
  }
  if (entries.size() > sql::kMaxJoined) entries = {sql::kAnything};
  std::string bytes;
  for (const uint32_t entry : entries) sql::AppendEntry(bytes, entry);
  put_.Bind(1, trace);
  put_.Bind(2, int64_t{part});
  put_.BindBlob(3, bytes);
  return put_.Run();
}

Result<void> AttributeDirectory::Finish() {
  WEFT_TRY(FinishJoined());
  if (!any_) return {};
  for (const auto& [set, of] : sets_) {
    const uint64_t hash = sql::SetHash(set);
    if (of.count > of.traces.size()) {
      Note(hash, sql::kSomeTraces);
      continue;
    }
    for (uint32_t i = 0; i < of.count; ++i) Note(hash, of.traces[i]);
  }
  for (uint32_t part = 0; part < sql::kAttributeParts; ++part) {
    if (parts_[part].empty() && part != 0) continue;
    add_.Bind(1, first_trace_);
    add_.Bind(2, int64_t{part});
    add_.BindBlob(3, parts_[part]);
    WEFT_TRY(add_.Run());
  }
  return {};
}

}  // namespace weft::sinks
