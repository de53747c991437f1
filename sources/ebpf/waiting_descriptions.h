// WaitingDescriptions: who talks on connections of which the agent has seen only records of
// processes that it does not want, so far.
//
// Held by ExchangeTracker. The kernel repeats a description every WEFT_DESCRIBE_NS while there are
// records, so each is kept a little longer than that. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "bpf/wire.h"
#include "engine/base/flat_map.h"

namespace weft::ebpf {

class WaitingDescriptions {
 public:
  void Add(int64_t time_ns, const weft_connection& described) {
    descriptions_[described.cookie] = {time_ns, described};
    order_.emplace_back(time_ns, described.cookie);
    if (order_.size() > kMost) Drop();
  }
  // Null: none. Good until the next call.
  const weft_connection* Find(uint64_t cookie) const {
    const Entry* found = descriptions_.Find(cookie);
    return found == nullptr ? nullptr : &found->described;
  }
  void ForgetBefore(int64_t time_ns) {
    while (!order_.empty() && order_.front().first < time_ns) Drop();
  }

 private:
  static constexpr size_t kMost = 65536;
  struct Entry {
    int64_t time_ns = 0;
    weft_connection described{};
  };
  void Drop() {
    const auto [time_ns, cookie] = order_.front();
    order_.pop_front();
    // Unless it was repeated since.
    const Entry* found = descriptions_.Find(cookie);
    if (found != nullptr && found->time_ns == time_ns) descriptions_.Erase(cookie);
  }

  FlatMap<Entry> descriptions_;  // by cookie
  std::deque<std::pair<int64_t, uint64_t>> order_;
};

}  // namespace weft::ebpf
