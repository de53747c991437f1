// EventCopier: copies rows of records into tables, one (record, table) at a time; what is
// translated once is found again until the next Begin.
//
// Both stages gather with it what they send on: whole columns of some rows, not row by row. Keep
// one and reuse it. Records and tables belong to the caller. One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/event_columns.h"
#include "engine/api/span_table.h"

namespace weft::api {

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
