// EventColumns: the rows of one record of weft.events or weft.spans, packed, where the message has
// them.
//
// Both stages read them in place (DecodeEventColumns, DecodeSpanColumns) and hold them for as long
// as a row is undecided, so they are kept narrow. EventCopier moves rows into a SpanTable, the form
// for everything else. Every index was checked when the record was decoded. A view; the payload
// owns the bytes.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/api/columns.h"
#include "engine/api/packed_column.h"
#include "engine/api/span_table.h"

namespace weft::api {

struct EventColumns {
  uint32_t n = 0;
#define WEFT_COLUMN(type, name, unused) PackedColumn name;
  WEFT_EVENT_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  PackedColumn option_id, truth, evidence;
  PackedColumn confidence, candidate_log_odds;  // bits of a float
  PackedColumn candidate_offset, candidate_span_id, candidate_evidence;
  PackedColumn attr_offset, attr, token_offset, token;  // CSR; offsets are there where values are
  PackedColumn pair_key, pair_type, pair_value;
  PackedColumn string_offset, truth_offset;
  const char* string_bytes = nullptr;
  const char* truth_bytes = nullptr;
  uint32_t n_pairs = 0, n_strings = 1, n_truth = 1;
  weft_processes processes{};
  bool ends_are_times = false;  // else see the schema

  std::string_view Text(uint32_t index) const { return Entry(string_offset, string_bytes, index); }
  std::string_view Truth(uint32_t index) const { return Entry(truth_offset, truth_bytes, index); }
  // 0: none, the row is open.
  int64_t EndOf(uint32_t row) const {
    const uint64_t end = end_ns[row];
    if (end == 0 || ends_are_times) return static_cast<int64_t>(end);
    return static_cast<int64_t>(start_ns[row] + end - 1);
  }
  uint32_t ServiceOf(uint32_t row) const {
    return service.present() ? static_cast<uint32_t>(service[row])
                             : processes.service[process[row]];
  }
  uint64_t SpanIdOf(uint32_t row) const;
  uint64_t TraceLoOf(uint32_t row) const;

 private:
  static std::string_view Entry(const PackedColumn& offset, const char* bytes, uint32_t index) {
    const uint64_t begin = offset[index];
    return {bytes + begin, static_cast<size_t>(offset[size_t{index} + 1] - begin)};
  }
};

// The rows of a table in the same form; valid until the table changes.
EventColumns ColumnsOf(const SpanTable& table);

// Copies rows of records into tables, one (record, table) at a time; what is translated once is
// found again until the next Begin. Keep one and reuse it. One thread.
class EventCopier {
 public:
  // Both must outlive the copying.
  void Begin(const EventColumns& from, SpanTable& to, Repeats repeats = Repeats::kOnce);
  // The fixed columns of n rows; returns the first new row. Then AppendLists for each of them, in
  // order. kUndecided leaves out what stage 1 decides: ids, times, parent and trace are zero.
  enum class Columns : uint8_t { kAll, kUndecided };
  uint32_t AppendColumns(const uint32_t* rows, size_t n, Columns columns);
  void AppendLists(uint32_t row);
  // The same in steps, and faster for many rows: the attributes of n rows, and the candidates of
  // one. Attributes may be added to the last of the rows before those of the next are appended.
  void AppendAttributes(const uint32_t* rows, size_t n);
  void AppendCandidates(uint32_t row);
  // The fixed columns of rows[i] into row places[i], which SpanTable::AppendRows has made. Then
  // AppendLists in order of places.
  void FillColumns(const uint32_t* rows, const uint32_t* places, size_t n);
  // All rows, with everything.
  void CopyAll();
  void Copy(const uint32_t* rows, size_t n);

 private:
  struct Mapped {
    uint32_t stamp = 0, index = 0;
  };
  uint32_t MapString(uint32_t index) {
    const Mapped& m = strings_[index];
    return m.stamp == stamp_ ? m.index : NewString(index);
  }
  uint32_t MapPair(uint32_t index) {
    const Mapped& m = pairs_[index];
    return m.stamp == stamp_ ? m.index : NewPair(index);
  }
  uint32_t MapProcess(uint32_t index);
  uint32_t NewString(uint32_t index);
  uint32_t NewPair(uint32_t index);
  void NewPairs(size_t n);
  void NewTexts(size_t n);
  uint32_t NewProcess(uint32_t index);
  void FillDerived(const uint32_t* rows, const uint32_t* places, size_t n);
  void AppendStrings(const uint32_t* rows, size_t n, uint32_t first);
  void AppendRare(const uint32_t* rows, size_t n, uint32_t first);

  const EventColumns* from_ = nullptr;
  SpanTable* to_ = nullptr;
  Repeats repeats_ = Repeats::kOnce;
  uint32_t stamp_ = 0;
  std::vector<Mapped> strings_, pairs_, processes_;
  // Of AppendAttributes: the pairs that are new to the table, and what they are there.
  std::vector<uint32_t> new_pairs_, new_texts_, keys_;
  std::vector<uint8_t> types_;
  std::vector<uint64_t> values_;
};

}  // namespace weft::api
