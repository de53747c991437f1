// Protocol: what one protocol folder implements: find a message, parse one, pair a response.
//
// Called by Conversation only, which owns buffers, positions, gaps and times; a protocol sees
// captured bytes, answers with an outcome, and never keeps the bytes. Bodies are not captured, so
// a message is a head to read and a length to skip. A Protocol is shared by the
// conversations of its set, on one thread; a Dialogue belongs to one of them. "Add one in N steps":
// README.md beside this.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "sources/ebpf/protocols/open_exchanges.h"

namespace weft::ebpf {

enum class MessageKind : uint8_t { kRequest, kResponse };

enum class Outcome : uint8_t {
  kDone,      // the whole message: `lead` + `used` captured bytes, then `skip` stream bytes
  kSkip,      // its head or a part of it; after `skip` stream bytes it goes on (Continue)
  kNeedMore,  // a right beginning, too short; the same bytes and more will come
  kInvalid,   // no such message
  kEnd        // as kDone, and from here the connection is not this protocol any more
};

struct Step {
  Outcome outcome = Outcome::kInvalid;
  size_t used = 0;    // captured bytes read, `lead` included
  uint64_t skip = 0;  // stream bytes behind them, captured or not, that belong to the message
  size_t lead = 0;    // of `used`: filler before the message's first byte (heads only)
};
// As `skip`: the end cannot be known from here; the message ends with its direction, or when the
// conversation sees that the next one begins.
inline constexpr uint64_t kUntilNext = UINT64_MAX;

// What the first bytes of a segment look like. Weak: right for this protocol, but for others too;
// counts when the other direction looks like the counterpart.
enum class Guess : uint8_t { kNo, kMaybe, kRequest, kResponse, kWeakRequest, kWeakResponse };

inline constexpr size_t kNoRequest = SIZE_MAX;        // answers a request that was not seen
inline constexpr size_t kUnsolicited = SIZE_MAX - 1;  // push: answers nothing
inline constexpr size_t kInterim = SIZE_MAX - 2;      // to the oldest request, and not its last

// Per-connection state of a protocol. `cut`: what follows the bytes will never be seen, so
// kNeedMore would wait for ever: answer with what is there, or kInvalid.
class Dialogue {
 public:
  virtual ~Dialogue() = default;
  // Reads the beginning of one request into `out`: cleared but for direction and first mark.
  virtual Step ParseRequest(std::string_view bytes, bool cut, Exchange* out) = 0;
  // Reads the beginning of one response and remembers it for Pair. `expected`: the oldest open
  // request, null if unknown (HTTP: a response to HEAD has no body).
  virtual Step ParseResponse(std::string_view bytes, bool cut, const Exchange* expected) = 0;
  // Goes on in a message after its skip; `exchange` is null where it belongs to none.
  virtual Step Continue(MessageKind kind, std::string_view bytes, bool cut, Exchange* exchange) = 0;
  // In a message after its skip: the next `missing` bytes were not captured, and the record that
  // held them ends there. True if the message certainly ends there too.
  virtual bool EndsIn(MessageKind kind, uint64_t missing) const = 0;
  // What the response just parsed answers: the number of one of the first `count` requests in
  // `open`, to which status and attributes are written; or one of the three constants.
  virtual size_t Pair(const OpenExchanges& open, size_t count) = 0;
  // After a loss the conversation has found its place again: nothing is open, nothing is awaited.
  virtual void Resynchronised() {}
};

class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual uint8_t id() const = 0;  // weft_protocol
  // Bytes at the beginning of a segment of a connection whose protocol and roles are unknown.
  virtual Guess Recognise(std::string_view bytes) const = 0;
  // May a message of that kind begin here? For resynchronising; protocol and roles are known.
  virtual bool MayBegin(MessageKind kind, std::string_view bytes) const = 0;
  // Clients may send requests without awaiting responses as a matter of course.
  virtual bool pipelines() const = 0;
  virtual std::unique_ptr<Dialogue> NewDialogue() const = 0;
};

}  // namespace weft::ebpf
