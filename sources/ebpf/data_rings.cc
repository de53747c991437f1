#include "sources/ebpf/data_rings.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "bpf/wire.h"

namespace weft::ebpf {
namespace {

// All kinds of records in these rings begin with their time.
uint64_t TimeOf(const void* record, size_t size) {
  uint64_t time_ns;
  std::memcpy(&time_ns, record, sizeof time_ns);
  if (size >= sizeof(weft_data))
    time_ns += uint64_t{static_cast<const weft_data*>(record)->late} * WEFT_LATE_NS;
  return time_ns;
}

}  // namespace

bool DataRings::Front(Source& source) {
  const void* const record = source.ring.data();
  if (record == nullptr) return false;
  source.time_ns = std::max(source.time_ns, TimeOf(record, source.ring.size()));
  return true;
}

size_t DataRings::Drain(size_t max_records, uint64_t now_ns, const Handler& handler) {
  const auto later = [](const Source* a, const Source* b) { return a->time_ns > b->time_ns; };
  waiting_.clear();
  for (Source& source : rings_) {
    const size_t bytes = source.ring.Look();
    fullest_ = std::max(fullest_, static_cast<double>(bytes) / static_cast<double>(source.bytes));
    if (Front(source) && source.time_ns <= now_ns) waiting_.push_back(&source);
  }
  std::ranges::make_heap(waiting_, later);
  size_t drained = 0;
  while (!waiting_.empty() && drained < max_records) {
    std::ranges::pop_heap(waiting_, later);
    Source& source = *waiting_.back();
    waiting_.pop_back();
    const uint64_t until = waiting_.empty() ? now_ns : std::min(now_ns, waiting_.front()->time_ns);
    bool more = true;
    while (more && source.time_ns <= until && drained < max_records) {
      handler(source.ring.data(), source.ring.size());
      ++drained;
      source.ring.Pass();
      more = Front(source);
    }
    if (more && source.time_ns <= now_ns) {
      waiting_.push_back(&source);
      std::ranges::push_heap(waiting_, later);
    }
  }
  for (Source& source : rings_) source.ring.Release();
  return drained;
}

uint64_t DataRings::garbled() const {
  uint64_t garbled = 0;
  for (const Source& source : rings_) garbled += source.ring.garbled();
  return garbled;
}

double DataRings::TakeFullest() { return std::exchange(fullest_, 0); }

}  // namespace weft::ebpf
