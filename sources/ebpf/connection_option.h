// ConnectionOption: the id that a connection carries in a TCP option, and where its streams began.
// WaitingOptions: those whose connection had no data record yet.
//
// Held by Connection and ExchangeTracker. Sequence numbers are only compared with those of the same
// socket, so it does not matter what a middlebox made of them on the way. Value types, one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "bpf/wire.h"
#include "engine/base/flat_map.h"
#include "engine/base/hash.h"
#include "sources/ebpf/protocols/exchange.h"

namespace weft::ebpf {

class ConnectionOption {
 public:
  ConnectionOption() = default;
  explicit ConnectionOption(const weft_option& record)
      : id_(record.id),
        sent_from_(record.sent_from),
        received_from_(record.received_from),
        connected_(record.end == WEFT_END_CONNECTED) {}

  // Id of a request by its direction and position in the stream, equal at both ends; 0: none.
  uint64_t IdOf(Direction requests, uint64_t position) const {
    if (id_ == 0) return 0;
    const bool sent = requests == Direction::kSent;
    const uint32_t offset = static_cast<uint32_t>(position) - (sent ? sent_from_ : received_from_);
    const uint64_t from_connecting_end = sent == connected_ ? 1 : 0;
    const uint64_t id = HashCombine(id_, from_connecting_end << 32 | offset);
    return id == 0 ? 1 : id;
  }

 private:
  uint64_t id_ = 0;
  uint32_t sent_from_ = 0, received_from_ = 0;
  bool connected_ = false;
};

class WaitingOptions {
 public:
  void Add(const weft_option& record) {
    options_[record.cookie] = ConnectionOption(record);
    order_.emplace_back(static_cast<int64_t>(record.time_ns), record.cookie);
    if (order_.size() > kMost) Drop();
  }
  // The option of a connection that begins, if it came.
  ConnectionOption Take(uint64_t cookie) {
    const ConnectionOption* found = options_.Find(cookie);
    if (found == nullptr) return {};
    const ConnectionOption option = *found;
    options_.Erase(cookie);
    return option;
  }
  // Of connections that nobody asked for by now: their processes are not traced.
  void ForgetBefore(int64_t time_ns) {
    while (!order_.empty() && order_.front().first < time_ns) Drop();
  }
  size_t size() const { return options_.size(); }

 private:
  static constexpr size_t kMost = 65536;
  void Drop() {
    options_.Erase(order_.front().second);
    order_.pop_front();
  }

  FlatMap<ConnectionOption> options_;  // by cookie
  std::deque<std::pair<int64_t, uint64_t>> order_;
};

}  // namespace weft::ebpf
