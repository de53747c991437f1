#include "engine/stitch/row_store.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <new>
#include <utility>

#include "engine/api/event_copier.h"
#include "engine/base/check.h"
#include "engine/base/hash.h"

namespace weft::stitch {
namespace {

constexpr size_t kWorthCompacting = 16 << 10;  // bytes of one record
constexpr size_t kWorthLooking = 1 << 20;      // of all such

int64_t FirstStart(const api::EventColumns& c) {
  int64_t first = INT64_MAX;
  c.start_ns.Widen([&](auto at) {
    for (uint32_t i = 0; i < c.n; ++i) first = std::min(first, static_cast<int64_t>(at(i)));
  });
  return first;
}

}  // namespace

uint32_t RowStore::AddBatch(HeldBatch batch) {
  batch.first_start_ns = FirstStart(batch.columns());
  batch.serial = next_serial_++;
  most_rows_ = std::max(most_rows_, batch.columns().n);
  if (!free_batches_.empty()) {
    const uint32_t number = free_batches_.back();
    free_batches_.pop_back();
    *batches_[number] = std::move(batch);
    return number;
  }
  batches_.push_back(std::make_unique<HeldBatch>(std::move(batch)));
  return static_cast<uint32_t>(batches_.size() - 1);
}

void RowStore::DropIfEmpty(uint32_t number) {
  if (batch(number).rows == 0 && batch(number).events.payload) Release(number);
}

void RowStore::Release(uint32_t number) {
  batch(number) = HeldBatch{};
  free_batches_.push_back(number);
}

// Where the exchange is, or would be. Requires: the index is not empty.
size_t RowStore::SlotOf(uint64_t exchange) const {
  const size_t mask = index_.size() - 1;
  const auto tag = static_cast<uint32_t>(Mix64(exchange));
  size_t i = tag & mask;
  for (; index_[i].row != 0; i = (i + 1) & mask)
    if (index_[i].tag == tag && (*this)[index_[i].row - 1].exchange == exchange) break;
  return i;
}

uint32_t RowStore::Find(uint64_t exchange) const {
  if (index_.empty()) return kNone;
  const uint32_t row = index_[SlotOf(exchange)].row;
  return row == 0 ? kNone : row - 1;
}

void RowStore::PrefetchIndex(uint64_t exchange) const {
  if (!index_.empty()) Prefetch(&index_[Mix64(exchange) & (index_.size() - 1)]);
}

void RowStore::AddBlocks() {
  const auto first = static_cast<uint32_t>(blocks_.size()) * (kBlock / kChunk);
  if (blocks_.size() < kSlabBlocks) {
    first_blocks_.push_back(std::make_unique<Row[]>(kBlock));
    blocks_.push_back(first_blocks_.back().get());
  } else {
    auto* const slab = static_cast<Row*>(AllocateHuge(kSlabBlocks * kBlock * sizeof(Row)));
    if (slab == nullptr) throw std::bad_alloc();
    slabs_.emplace_back(slab);
    std::uninitialized_default_construct_n(slab, kSlabBlocks * kBlock);
    for (size_t i = 0; i < kSlabBlocks; ++i) blocks_.push_back(slab + i * kBlock);
  }
  const auto end = static_cast<uint32_t>(blocks_.size()) * (kBlock / kChunk);
  free_rows_.resize(end, UINT64_MAX);
  for (uint32_t chunk = end; chunk-- > first;) ready_.push_back(chunk);
}

uint32_t RowStore::Allocate() {
  if (filling_ == kNone || free_rows_[filling_] == 0) {
    if (ready_.empty()) AddBlocks();
    filling_ = ready_.back();
    ready_.pop_back();
  }
  uint64_t& free = free_rows_[filling_];
  const auto at = static_cast<uint32_t>(std::countr_zero(free));
  free &= free - 1;
  return filling_ * kChunk + at;
}

void RowStore::GiveBack(uint32_t number) {
  const uint32_t chunk = number / kChunk;
  free_rows_[chunk] |= uint64_t{1} << number % kChunk;
  // Each chunk passes this count once on its way from full to empty, unless it is being filled.
  if (std::popcount(free_rows_[chunk]) == kReusable && chunk != filling_) ready_.push_back(chunk);
}

std::pair<uint32_t, bool> RowStore::FindOrAdd(uint64_t exchange, uint32_t batch, uint32_t row) {
  if ((used_ + 1) * 4 > index_.size() * 3) IndexGrow();
  IndexSlot& slot = index_[SlotOf(exchange)];
  if (slot.row != 0) return {slot.row - 1, false};
  const uint32_t number = Allocate();
  slot = {static_cast<uint32_t>(Mix64(exchange)), number + 1};
  Row& r = (*this)[number];
  r.exchange = exchange;
  r.batch = batch;
  r.row = row;
  HeldBatch& b = *batches_[batch];
  ++b.rows;
  ++b.pending;
  ++used_;
  ++pending_;
  return {number, true};
}

const int64_t* RowStore::LookForOwnEnd(uint32_t number) const {
  if (((*this)[number].flags & (WEFT_FLAG_AGENT_LOST | WEFT_FLAG_OPEN_AT_EXIT)) != 0)
    if (const int64_t* end = forced_ends_.Find(number)) return end;
  return moved_ends_.Find(number);
}

void RowStore::ForceEnd(uint32_t number, int64_t end_ns) {
  forced_ends_[number] = end_ns;
  Row& r = (*this)[number];
  r.flags &= static_cast<uint16_t>(~WEFT_FLAG_OPEN);
}

void RowStore::TakeBackEnd(uint32_t number) {
  forced_ends_.Erase(number);
  Row& r = (*this)[number];
  const bool pending = r.pending();
  r.state &= static_cast<uint16_t>(~kEmitted);
  if (pending || !r.pending()) return;
  ++batches_[r.batch]->pending;
  ++pending_;
}

void RowStore::Move(uint32_t number, uint32_t batch, uint32_t row) {
  Row& r = (*this)[number];
  const uint32_t old = r.batch;
  const bool pending = r.pending();
  ++batches_[batch]->rows;
  batches_[batch]->pending += pending;
  r.batch = batch;
  r.row = row;
  // The row keeps its first start; columns have ends as the time since the start.
  if (const auto start = static_cast<int64_t>(Columns(r).start_ns[row]); start != r.start_ns) {
    moved_ends_[number] = std::max(Columns(r).EndOf(row), r.start_ns);
  } else if (!moved_ends_.empty()) {
    moved_ends_.Erase(number);
  }
  batches_[old]->pending -= pending;
  if (--batches_[old]->rows == 0) Release(old);
}

void RowStore::MarkEmitted(uint32_t number, RowState bit) {
  Row& r = (*this)[number];
  const bool counted = r.pending();
  r.state |= bit;
  if (!counted) return;
  --batches_[r.batch]->pending;
  --pending_;
}

void RowStore::Free(uint32_t number) {
  Row& r = (*this)[number];
  WEFT_CHECK(r.batch != kNone);
  IndexErase(number);
  const uint32_t batch = r.batch;
  if (r.pending()) {
    --batches_[batch]->pending;
    --pending_;
  }
  if (!forced_ends_.empty()) forced_ends_.Erase(number);
  if (!moved_ends_.empty()) moved_ends_.Erase(number);
  const auto age = static_cast<uint16_t>(r.age + 1);
  r = Row{};
  r.age = age & 0x7ff;
  --used_;
  GiveBack(number);
  if (--batches_[batch]->rows == 0) Release(batch);
}

void RowStore::IndexGrow() {
  LargeVector<IndexSlot> old = std::move(index_);
  index_.assign(std::max<size_t>(old.size() * 2, 1024), {});
  const size_t mask = index_.size() - 1;
  for (const IndexSlot& s : old) {
    if (s.row == 0) continue;
    size_t i = s.tag & mask;
    while (index_[i].row != 0) i = (i + 1) & mask;
    index_[i] = s;
  }
}

void RowStore::IndexErase(uint32_t number) {
  const size_t mask = index_.size() - 1;
  size_t i = Mix64((*this)[number].exchange) & mask;
  while (index_[i].row != number + 1) i = (i + 1) & mask;
  for (size_t j = (i + 1) & mask; index_[j].row != 0; j = (j + 1) & mask) {
    const size_t home = index_[j].tag & mask;
    if (((j - home) & mask) < ((j - i) & mask)) continue;
    index_[i] = index_[j];
    i = j;
  }
  index_[i] = {};
}

bool RowStore::Sparse(const HeldBatch& b, int64_t append_ns) const {
  return b.rows != 0 && b.append_ns < append_ns && b.rows < b.columns().n / 8 &&
         b.events.payload->bytes().size() >= kWorthCompacting;
}

size_t RowStore::Compact(int64_t append_ns) {
  size_t before = 0;
  for (const auto& b : batches_)
    if (Sparse(*b, append_ns)) before += b->events.payload->bytes().size();
  if (before < kWorthLooking) return 0;  // the rows of a record are found by looking at all
  std::vector<SortItem> left, scratch;
  std::vector<bool> sparse(batches_.size());
  for (size_t i = 0; i < sparse.size(); ++i) sparse[i] = Sparse(*batches_[i], append_ns);
  for (uint32_t number = 0; number < blocks_.size() * kBlock; ++number) {
    const Row& r = (*this)[number];
    if (r.batch != kNone && sparse[r.batch])
      left.push_back({uint64_t{r.batch} << 32 | r.row, number});
  }
  std::sort(left.begin(), left.end(),
            [](const SortItem& a, const SortItem& b) { return a.key < b.key; });
  size_t after = 0;
  for (size_t first = 0; first < left.size();) {
    const auto batch = static_cast<uint32_t>(left[first].key >> 32);
    size_t last = first + 1;
    while (last < left.size() && left[last].key >> 32 == batch) ++last;
    Shrink(batch, &left[first], last - first);
    after += batches_[batch]->events.payload->bytes().size();
    first = last;
  }
  return before - after;
}

void RowStore::Shrink(uint32_t number, const SortItem* rows, size_t n) {
  HeldBatch& b = *batches_[number];
  WEFT_CHECK(b.rows == n);
  std::vector<uint32_t> left;
  for (size_t i = 0; i < n; ++i) left.push_back(static_cast<uint32_t>(rows[i].key));
  api::SpanTable table;
  api::EventCopier copier;
  copier.Begin(b.columns(), table);
  copier.Copy(left.data(), n);
  auto smaller = api::DecodeEventColumns(api::EncodeEvents(b.events.header, table));
  if (!smaller) return;  // it is as good as it was
  b.events = std::move(*smaller);
  b.serial = next_serial_++;
  b.first_start_ns = FirstStart(b.columns());
  for (size_t i = 0; i < n; ++i) (*this)[rows[i].value].row = static_cast<uint32_t>(i);
}

uint64_t RowStore::OldestOffset(int64_t not_before, uint64_t next) const {
  uint64_t oldest = next;
  for (const auto& b : batches_)
    if (b->rows != 0 && (b->pending != 0 || b->append_ns >= not_before))
      oldest = std::min(oldest, b->offset);
  return oldest;
}

int64_t RowStore::OldestPendingStart(int64_t none) const {
  int64_t oldest = none;
  for (const auto& b : batches_)
    if (b->pending != 0) oldest = std::min(oldest, b->first_start_ns + b->log_offset_ns);
  return oldest;
}

size_t RowStore::RecordBytes() const {
  size_t sum = 0;
  for (const auto& b : batches_)
    if (b->rows != 0) sum += sizeof(HeldBatch) + b->events.payload->bytes().size();
  return sum;
}

size_t RowStore::MemoryBytes() const {
  return blocks_.size() * kBlock * sizeof(Row) + index_.capacity() * sizeof(IndexSlot) +
         forced_ends_.MemoryBytes() + moved_ends_.MemoryBytes() + RecordBytes();
}

}  // namespace weft::stitch
