#include "engine/trace/offset_tracker.h"

#include <algorithm>

#include "engine/base/check.h"

namespace weft::trace {

uint64_t OffsetTracker::Add(uint64_t offset, uint32_t rows) {
  WEFT_CHECK(offset >= next_offset_);
  records_.push_back({offset, rows, 0, {}});
  next_offset_ = offset + 1;
  return first_ + records_.size() - 1;
}

OffsetTracker::Record& OffsetTracker::At(uint64_t record) {
  WEFT_CHECK(record >= first_ && record - first_ < records_.size());
  return records_[record - first_];
}

void OffsetTracker::Done(uint64_t record, uint32_t rows) {
  Record& r = At(record);
  WEFT_CHECK(r.undecided >= rows);
  r.undecided -= rows;
}

void OffsetTracker::Ship(uint64_t record, uint32_t rows) {
  Done(record, rows);
  At(record).in_flight += rows;
}

void OffsetTracker::Acknowledge(uint64_t record, uint32_t rows) {
  Record& r = At(record);
  WEFT_CHECK(r.in_flight >= rows);
  r.in_flight -= rows;
}

void OffsetTracker::Count(uint64_t record, RowFate fate, uint32_t rows) {
  At(record).fates[static_cast<size_t>(fate)] += rows;
}

uint64_t OffsetTracker::Needed() {
  while (!records_.empty() && records_.front().undecided == 0 && records_.front().in_flight == 0) {
    for (size_t i = 0; i < 4; ++i) settled_.of[i] += records_.front().fates[i];
    records_.pop_front();
    ++first_;
  }
  return records_.empty() ? next_offset_ : records_.front().offset;
}

uint64_t OffsetTracker::Undecided() {
  // A record never becomes undecided again, so the search goes on where it stopped.
  uint64_t& i = first_undecided_ = std::max(first_undecided_, first_);
  while (i - first_ < records_.size() && records_[i - first_].undecided == 0) ++i;
  return i - first_ < records_.size() ? records_[i - first_].offset : next_offset_;
}

}  // namespace weft::trace
