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

}  // namespace weft::api
