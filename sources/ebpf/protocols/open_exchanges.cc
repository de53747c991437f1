#include "sources/ebpf/protocols/open_exchanges.h"

#include <utility>

#include "engine/base/check.h"

namespace weft::ebpf {
namespace {

constexpr size_t kFirstSlots = 4;
constexpr size_t kKeptSlots = 256;
// A spare one that has held a huge request is not worth keeping.
constexpr size_t kSpareBytes = 8192;
// Of all: some hundreds, as many as fifty connections with sixteen requests each have.
constexpr size_t kAllSpareBytes = 1 << 20;

}  // namespace

std::unique_ptr<Exchange> OpenExchanges::Acquire() {
  if (budget_.spare.empty()) return std::make_unique<Exchange>();
  std::unique_ptr<Exchange> exchange = std::move(budget_.spare.back().exchange);
  budget_.spare_bytes -= budget_.spare.back().bytes;
  budget_.spare.pop_back();
  exchange->Clear();
  return exchange;
}

void OpenExchanges::GiveBack(std::unique_ptr<Exchange> exchange) {
  const size_t bytes = exchange->MemoryBytes();
  if (bytes > kSpareBytes || budget_.spare_bytes + bytes > kAllSpareBytes) return;
  budget_.spare_bytes += bytes;
  budget_.spare.push_back({std::move(exchange), bytes});
}

void OpenExchanges::Append(std::unique_ptr<Exchange> exchange) {
  if (size_ == ring_.size()) Grow();
  Slot& slot = At(size_++);
  slot.bytes = exchange->MemoryBytes();
  slot.exchange = std::move(exchange);
  bytes_ += slot.bytes;
  budget_.used += slot.bytes;
}

std::unique_ptr<Exchange> OpenExchanges::Remove(const Exchange* exchange, size_t* i) {
  for (*i = 0; *i < size_ && At(*i).exchange.get() != exchange;) ++*i;
  WEFT_CHECK(*i < size_);
  Slot taken = std::move(At(*i));
  bytes_ -= taken.bytes;
  budget_.used -= taken.bytes;
  for (size_t k = *i; k > 0; --k) At(k) = std::move(At(k - 1));
  first_ = (first_ + 1) & (ring_.size() - 1);
  if (--size_ == 0 && ring_.size() > kKeptSlots) ring_ = std::vector<Slot>(), first_ = 0;
  return std::move(taken.exchange);
}

void OpenExchanges::Grow() {
  std::vector<Slot> wider(ring_.empty() ? kFirstSlots : ring_.size() * 2);
  for (size_t i = 0; i < size_; ++i) wider[i] = std::move(At(i));
  ring_ = std::move(wider);
  first_ = 0;
}

size_t OpenExchanges::MemoryBytes() const { return bytes_ + ring_.capacity() * sizeof(Slot); }

}  // namespace weft::ebpf
