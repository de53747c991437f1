// WindowColumns: the view of one process and window that correlators get.
//
// Rows are gathered from the records that hold them into columns that are reused from window to
// window: those that the chain reads, record by record, because that is how they lie in memory.
// What was not yet certain at the view's horizon is masked: a span that ended later is shown as
// open, so that the view does not depend on how far reading had got. Truth and trace ids are never
// in it. One thread; the view is valid until the next Gather.
#pragma once

#include <string>
#include <vector>

#include "engine/api/span_table.h"
#include "engine/stitch/row_store.h"

namespace weft::stitch {

// Interned text at stable addresses, so that the array of strings need not be rebuilt per window.
class StringPool {
 public:
  StringPool() { Clear(); }
  uint32_t Intern(std::string_view text);
  void Clear();
  const weft_str* strings() const { return strings_.data(); }
  uint32_t size() const { return static_cast<uint32_t>(strings_.size()); }

 private:
  const char* Store(std::string_view text);
  std::vector<weft_str> strings_;
  std::vector<uint32_t> slots_;  // open addressing; index + 1, 0 is free
  std::vector<std::unique_ptr<char[]>> chunks_;
  size_t chunk_used_ = 0, chunk_size_ = 0;
};

struct Member {
  uint32_t row;
  uint8_t role;  // weft_role
};

class WindowColumns {
 public:
  explicit WindowColumns(uint64_t columns) : columns_(columns) {}  // weft_column bits
  // Requires: members are ordered by (start, exchange), not empty, of one process.
  const weft_spans& Gather(const RowStore& rows, const std::vector<Member>& members,
                           int64_t horizon_ns);

 private:
  struct Run {
    uint32_t batch, begin, end;
  };
  uint32_t* MapOf(const HeldBatch& batch, uint32_t number);
  uint32_t MapString(const HeldBatch& batch, uint32_t number, uint32_t index);
  void GatherRows(const RowStore& rows, const std::vector<Member>& members);
  void GatherEnds(const RowStore& rows, const std::vector<Member>& members, int64_t horizon_ns);
  void GroupByBatch(const RowStore& rows, const std::vector<Member>& members);
  void GatherColumns(const RowStore& rows, size_t n);
  void GatherText(const HeldBatch& batch, const Run& run);
  void HideResponses(size_t n);
  void Lend(size_t n);
  void GatherProcess(const HeldBatch& batch, uint32_t row);
  void GatherAttributes(const RowStore& rows, const std::vector<Member>& members);
  void GatherTokens(const RowStore& rows, const std::vector<Member>& members);

#define WEFT_COLUMN(type, name, unused) std::vector<type> name##_;
  WEFT_SPAN_COLUMNS(WEFT_COLUMN)
  WEFT_STRING_COLUMNS(WEFT_COLUMN)
#undef WEFT_COLUMN
  std::vector<uint8_t> role_;
  uint64_t columns_;
  std::vector<uint8_t> masked_;  // by member: its response came after the horizon
  std::vector<Run> runs_;  // members by the record that holds them: places, rows of the record
  std::vector<uint32_t> place_, row_;
  std::vector<uint32_t> run_of_;  // by batch: run + 1
  std::vector<uint32_t> attr_offset_, attr_, token_offset_, token_;
  api::PairTable pair_table_;
  StringPool pool_;
  // Per batch: its string numbers in the pool, as long as it is the same batch.
  struct StringMap {
    uint64_t serial = 0;
    uint32_t epoch = 0;
    std::vector<uint32_t> to_pool;
  };
  std::vector<StringMap> maps_;
  uint32_t epoch_ = 1;
  weft_spans view_{};
  weft_pairs pairs_{};
  weft_processes processes_{};
  uint64_t process_id_ = 0;
  uint32_t process_strings_[3] = {};
  uint32_t pid_ = 0;
  uint32_t no_attributes_[2] = {};
};

}  // namespace weft::stitch
