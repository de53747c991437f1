// Conversation: one connection, protocol unknown at first; turns the ordered segments of both
// directions into exchanges. The only thing the stream layer has to call.
//
// Grammar: Feed* End. Segments of one direction come in ascending, non-overlapping position;
// between the directions, in order of time. A jump in position is a loss (counted, parser resyncs);
// captured < true length is the normal case (bodies are not captured) and no loss. One thread.
// Segment bytes are lent for the call; what is needed later is copied, at most
// ProtocolSettings::head_bytes per direction.
#pragma once

#include <memory>
#include <string_view>

#include "sources/ebpf/protocols/exchange.h"

namespace weft::ebpf {

struct Segment {
  uint64_t position = 0;   // of the first byte in its direction
  std::string_view bytes;  // what was captured: a prefix
  uint64_t length = 0;     // what was sent or received, >= bytes.size()
  Mark mark;
};

// Receives exchanges, lent for the call. Closed exchanges come in order of their response's end.
class ExchangeSink {
 public:
  virtual ~ExchangeSink() = default;
  virtual void OnClosed(const Exchange& exchange) = 0;
};

class ProtocolSet;  // protocol_set.h: settings and counters; shared by all conversations

class Conversation {
 public:
  // `begins` says that the connection's first bytes will be fed (not joined mid-stream); `quiet`
  // that nothing went over it for a while before, so that hardly a response is still to come. Both
  // references must outlive the conversation.
  Conversation(const ProtocolSet& protocols, ExchangeSink& sink, bool begins, bool quiet = false);
  ~Conversation();

  // Where a direction of which nothing has been fed yet begins, if something else tells (the other
  // end's sequence numbers): without it, a loss before the first segment cannot be noticed.
  void StartsAt(Direction direction, uint64_t position);
  void Feed(Direction direction, const Segment& segment);
  // One direction has seen its FIN (the message that lasts until close ends here).
  void EndDirection(Direction direction, const Mark& mark);
  // The connection is gone: exchanges with a response are closed, others are marked incomplete.
  void End(const Mark& mark);
  // Nobody looks any more, the connection goes on: what is open is incomplete and has not failed.
  void CutOff(const Mark& mark);

  // weft_protocol; 0 while nothing has been recognised.
  uint8_t protocol() const;
  // Nothing will ever be recognised here (another protocol, or TLS): feeding may stop.
  bool given_up() const;
  // Requests without a finished response, oldest first: for `open` announcements. Lent until the
  // next call.
  size_t open_count() const;
  const Exchange& open(size_t i) const;
  // Start of the oldest thing not yet handed out (an open exchange, or a head still incomplete);
  // INT64_MAX if there is none. Watermarks must not pass it unless it was announced.
  int64_t OldestStartNs() const;
  size_t MemoryBytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace weft::ebpf
