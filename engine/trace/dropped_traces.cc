#include "engine/trace/dropped_traces.h"

#include <algorithm>
#include <utility>

#include "engine/base/hash.h"

namespace weft::trace {
namespace {

constexpr size_t kFirstBuckets = 128;
constexpr int kMoves = 200;
constexpr double kFull = 0.93;

// 48 bits that say nothing about the bucket; never 0.
uint64_t Print(uint64_t key) {
  const uint64_t print = key & 0xffff'ffff'ffffu;
  return print == 0 ? 1 : print;
}

}  // namespace

bool DroppedTraces::Bucket::Has(uint64_t print) const {
  const auto l = static_cast<uint32_t>(print);
  const auto h = static_cast<uint16_t>(print >> 32);
  bool found = false;
  for (uint32_t i = 0; i < kSlots; ++i) found |= low[i] == l && high[i] == h;
  return found;
}

bool DroppedTraces::Bucket::Put(uint64_t print) {
  for (uint32_t i = 0; i < kSlots; ++i)
    if (low[i] == 0 && high[i] == 0) {
      (void)Swap(i, print);
      return true;
    }
  return false;
}

uint64_t DroppedTraces::Bucket::Swap(uint32_t slot, uint64_t print) {
  const uint64_t was = uint64_t{high[slot]} << 32 | low[slot];
  low[slot] = static_cast<uint32_t>(print);
  high[slot] = static_cast<uint16_t>(print >> 32);
  return was;
}

size_t DroppedTraces::Table::First(uint64_t key) const {
  return static_cast<size_t>(Mix64(key ^ 0x9e3779b97f4a7c15u) % buckets.size());
}

size_t DroppedTraces::Table::Other(size_t bucket, uint64_t print) const {
  const size_t sum = static_cast<size_t>(Mix64(print) % buckets.size());
  return sum >= bucket ? sum - bucket : sum + buckets.size() - bucket;
}

uint64_t DroppedTraces::Table::Put(size_t bucket, uint64_t print, size_t* homeless_bucket) {
  if (buckets[bucket].Put(print)) return ++used, 0;
  bucket = Other(bucket, print);
  for (int move = 0; move < kMoves; ++move) {
    if (buckets[bucket].Put(print)) return ++used, 0;
    // Whom to move is arbitrary, but the same in every run.
    print = buckets[bucket].Swap(static_cast<uint32_t>(move * 5 + 3) % kSlots, print);
    bucket = Other(bucket, print);
  }
  *homeless_bucket = bucket;
  return print;
}

void DroppedTraces::Grow() {
  const auto wanted = static_cast<size_t>(static_cast<double>(expected_) / (kFull * kSlots)) + 2;
  size_t buckets = 0;
  for (const Table& table : tables_) buckets += table.buckets.size();
  if (tables_.empty()) buckets = std::max(kFirstBuckets, wanted);
  tables_.push_back({std::vector<Bucket>(buckets), 0});
}

void DroppedTraces::Add(uint64_t key) {
  if (Has(key)) return;
  if (tables_.empty() || static_cast<double>(tables_.back().used) >
                             kFull * static_cast<double>(tables_.back().buckets.size() * kSlots))
    Grow();
  Table& table = tables_.back();
  size_t bucket = 0;
  const uint64_t print = table.Put(table.First(key), Print(key), &bucket);
  if (print != 0) homeless_.push_back({print, table.buckets.size(), bucket});
  ++size_;
}

bool DroppedTraces::Has(uint64_t key) const {
  const uint64_t print = Print(key);
  for (const Table& table : tables_) {
    const size_t first = table.First(key), other = table.Other(first, print);
    if (table.buckets[first].Has(print) || table.buckets[other].Has(print)) return true;
    for (const Homeless& h : homeless_)
      if (h.print == print && h.buckets == table.buckets.size() &&
          (h.bucket == first || h.bucket == other))
        return true;
  }
  return false;
}

size_t DroppedTraces::MemoryBytes() const {
  size_t bytes = homeless_.capacity() * sizeof(Homeless);
  for (const Table& table : tables_) bytes += table.buckets.capacity() * sizeof(Bucket);
  return bytes;
}

}  // namespace weft::trace
