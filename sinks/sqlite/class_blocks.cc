#include "sinks/sqlite/class_blocks.h"

#include <algorithm>
#include <utility>

#include "sql/span_class.h"

namespace weft::sinks {
namespace {

constexpr int kRowShift = sql::kTraceShift + sql::kBlockShift;

}  // namespace

Result<void> ClassBlocks::Prepare(const sql::Database& db) {
  const sql::StatementText all[] = {
      {&last_, "SELECT coalesce(max(block), -1) FROM class_blocks"},
      {&read_,
       "SELECT operation, class FROM span_rows INDEXED BY span_by_operation"
       " WHERE id >> 33 = ?1 ORDER BY operation, class"},
      {&find_, "SELECT classes FROM class_blocks WHERE block = ?1"},
      {&put_, "INSERT OR REPLACE INTO class_blocks VALUES(?1, ?2)"},
  };
  return db.PrepareAll(all);
}

void ClassBlocks::Forget() {
  noted_end_ = -1;
  late_.clear();
}

void ClassBlocks::Add(int64_t row_id, int64_t operation, int span_class) {
  const int64_t block = row_id >> kRowShift;
  if (noted_end_ >= 0 && block >= noted_end_) return;
  const auto number = static_cast<uint32_t>(operation);
  sql::ClassMask& mask = late_[block][number];
  mask.operation = number;
  mask.Add(span_class);
}

Result<void> ClassBlocks::Finish(int64_t next_row) {
  const int64_t current = next_row >> kRowShift;
  if (noted_end_ < 0) WEFT_TRY(Load(current));
  for (const auto& [block, masks] : late_)
    if (block < noted_end_) WEFT_TRY(AddLate(block, masks));
  late_.clear();
  while (noted_end_ + kLag <= current) {
    WEFT_TRY(Note(noted_end_));
    ++noted_end_;
  }
  return {};
}

// What an older weft has stored is not noted any more.
Result<void> ClassBlocks::Load(int64_t block) {
  WEFT_TRY(last_.Step());
  const int64_t last = last_.Int(0);
  last_.Reset();
  noted_end_ = last >= 0 ? last + 1 : std::max<int64_t>(block - kLag, 0);
  return {};
}

Result<void> ClassBlocks::Note(int64_t block) {
  std::string classes;
  sql::ClassMask mask;
  bool any = false;
  read_.Bind(1, block);
  for (;;) {
    const Result<bool> row = read_.Step();
    if (!row) return std::unexpected(row.error());
    if (!*row) break;
    const auto operation = static_cast<uint32_t>(read_.Int(0));
    if (any && operation != mask.operation) {
      sql::AppendMask(classes, mask);
      mask = {};
    }
    any = true;
    mask.operation = operation;
    mask.Add(static_cast<int>(read_.Int(1)));
  }
  if (any) sql::AppendMask(classes, mask);
  put_.Bind(1, block);
  put_.BindBlob(2, classes);
  return put_.Run();
}

Result<void> ClassBlocks::AddLate(int64_t block, const Masks& late) {
  find_.Bind(1, block);
  const Result<bool> found = find_.Step();
  if (!found) return std::unexpected(found.error());
  if (!*found) return {};
  Masks masks;
  const std::string_view stored = find_.Text(0);
  for (size_t i = 0; i < stored.size() / sql::kClassMaskBytes; ++i) {
    const sql::ClassMask mask = sql::ReadMask(stored, i);
    masks[mask.operation] = mask;
  }
  find_.Reset();
  bool changed = false;
  for (const auto& [operation, more] : late) {
    sql::ClassMask& mask = masks[operation];
    mask.operation = operation;
    for (size_t i = 0; i < mask.bits.size(); ++i) {
      changed |= (more.bits[i] & ~mask.bits[i]) != 0;
      mask.bits[i] |= more.bits[i];
    }
  }
  if (!changed) return {};
  std::string classes;
  for (const auto& [operation, mask] : masks) sql::AppendMask(classes, mask);
  put_.Bind(1, block);
  put_.BindBlob(2, classes);
  return put_.Run();
}

}  // namespace weft::sinks
