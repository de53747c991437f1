// The entries of attribute_directory: hash of an attribute pair or set, and a trace of its batch;
// and of attribute_parts: the same, and a trace of its group. Stored: nothing here may change.
#pragma once

#include <cstdint>
#include <ranges>
#include <string>
#include <string_view>

#include "engine/base/hash.h"

namespace weft::sql {

inline constexpr uint32_t kAttributeParts = 32;
// In place of a trace's number: some traces of the batch, not said which.
inline constexpr uint32_t kSomeTraces = (1u << 13) - 1;

// Parts of spans that joined a stored trace, whose row `first_trace` then is, are numbered from
// here on.
inline constexpr uint32_t kJoinedPart = kAttributeParts;
// Such a part with more entries than this has one in their place, which says: whatever is looked
// for, the trace is read. Else a trace that is joined for days would be written whole each time.
inline constexpr size_t kMaxJoined = 1'024;
inline constexpr uint32_t kAnything = kSomeTraces;

// Of `"key":value` as the JSON in span_rows.attributes has it.
constexpr uint64_t PairHash(std::string_view fragment) { return HashText(fragment); }
constexpr uint64_t SetHash(int64_t set) { return Mix64(static_cast<uint64_t>(set) + (1ULL << 40)); }

constexpr uint32_t PartOf(uint64_t hash) { return static_cast<uint32_t>(hash >> 59); }
constexpr uint32_t EntryOf(uint64_t hash, uint32_t trace) {
  return (static_cast<uint32_t>(hash >> 32) & 0x7ffff) << 13 | trace;
}
constexpr uint32_t TraceOf(uint32_t entry) { return entry & kSomeTraces; }

// attribute_parts: four more bits of the hash choose the part, so 15 are left; a bit says that the
// trace is the first one of a batch of which some have it.
inline constexpr uint32_t kMergedParts = 512;
inline constexpr int64_t kMergedTraces = 1 << 13;
inline constexpr uint32_t kMergedSome = 1u << 13;
constexpr uint32_t MergedPartOf(uint32_t part, uint32_t entry) { return part << 4 | entry >> 28; }
constexpr uint32_t MergedEntryOf(uint32_t entry, uint32_t trace) {
  return (entry >> 13 & 0x7fff) << 14 | trace;
}
constexpr uint32_t MergedTraceOf(uint32_t entry) { return entry & (kMergedSome - 1); }
constexpr uint32_t MergedHashOf(uint32_t entry) { return entry >> 14; }

inline void AppendEntry(std::string& out, uint32_t entry) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(entry >> shift));
}
// All of a stored list, one by one; what is left of a torn one at its end is not looked at.
inline auto Entries(std::string_view bytes) {
  return std::views::iota(size_t{0}, bytes.size() / 4) | std::views::transform([bytes](size_t n) {
           uint32_t entry = 0;
           for (size_t i = 0; i < 4; ++i)
             entry |= uint32_t{static_cast<unsigned char>(bytes[4 * n + i])} << (8 * i);
           return entry;
         });
}

}  // namespace weft::sql
