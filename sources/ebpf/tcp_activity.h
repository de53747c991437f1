// TcpActivity: what a connection that no parser understands was doing: bursts of bytes, each of
// which becomes a `tcp` span with addresses, bytes and duration. Never with payload.
//
// Owned by Connection while nothing is recognised there. Grammar: ((Due Take)? Add)*.
// A burst ends when nothing has come for 200 ms after the server spoke, or for 10 s whoever
// spoke: a request that waits for its answer is not quiet. What goes on for longer is cut into
// slices of 10 s, so that a connection of days is in the graph while it lasts. Both ends of a
// connection see the same bursts, so a slice's wire id is made of where both streams stood when its
// burst began, and of the slice's number. A connection that was there before the agent has no
// common beginning: its first burst is cut at multiples of 10 s of the host's clock, and known by
// its addresses to the other end on the same host only. A Unix socket's positions are its own from
// the first byte that was seen, and its address is that of every other connection to the path: it
// has a common beginning always.
#pragma once

#include <cstdint>
#include <string_view>

#include "bpf/wire.h"
#include "sources/ebpf/protocols/exchange.h"

namespace weft::ebpf {

class TcpActivity {
 public:
  static constexpr int64_t kQuietNs = 200'000'000;
  static constexpr int64_t kSliceNs = 10'000'000'000;

  // `joined`: the first byte seen is not known to be the connection's first. `boot_id` salts what
  // is only valid on this host.
  TcpActivity(const weft_connection& wire, uint64_t boot_id, bool joined);

  // A slice is open that cannot go on at `now_ns`.
  bool Due(int64_t now_ns) const { return open_ && now_ns >= DueNs(); }
  bool open() const { return open_; }
  int64_t begin_ns() const { return begin_.time_ns; }
  Direction requests() const { return requests_; }

  // A record moved `length` bytes of that direction from `position` on. `other_seq`: where the
  // other direction stands. A slice that is due is to be taken first, else it goes on.
  void Add(Direction direction, uint64_t position, uint32_t other_seq, uint64_t length,
           const Mark& mark);
  // Bytes were lost.
  void Incomplete() { incomplete_ = open_; }
  // The first bytes of a direction.
  void Look(std::string_view bytes, uint64_t length);
  void SetGuess(std::string_view guess) { guess_ = guess; }
  std::string_view guess() const { return guess_; }

  // The open slice, into a cleared exchange; Take ends it. Requires: open().
  void Describe(Exchange* out) const;
  void Take(Exchange* out);

  // For ExchangeTracker: the open slice has been announced, or may not be; the connection has been
  // counted.
  bool announced = false;
  bool limited = false;
  bool counted = false;

 private:
  int64_t DueNs() const;
  void BeginBurst(Direction direction, uint64_t position, uint32_t other_seq, int64_t now_ns);
  int64_t SliceAt(int64_t now_ns) const { return (now_ns - burst_ns_) / kSliceNs; }

  Direction requests_;
  uint64_t address_key_;  // the same at both ends on this host
  bool joined_;           // the current burst's begin is not known
  std::string_view transport_;
  bool incomplete_ = false;
  bool open_ = false;
  bool begun_ = false;  // there was a burst
  Direction last_direction_ = Direction::kReceived;
  int64_t burst_ns_ = 0;
  uint64_t burst_key_ = 0;
  int64_t slice_ = 0;
  uint64_t position_[2] = {0, 0};  // where both directions stood when the slice began
  uint64_t bytes_[2] = {0, 0};
  Mark begin_, last_;
  uint32_t response_tid_ = 0;
  std::string_view guess_;
};

}  // namespace weft::ebpf
