// Protocol: what one protocol folder implements, three functions: find, parse, pair.
//
// Called by Conversation only, which owns buffers, positions, gaps and times; a protocol sees
// captured bytes and answers with an outcome, and never reads past what it is given. Protocol
// objects are immutable and shared between threads; a Dialogue belongs to one conversation.
// "Add one in N steps": README.md in this folder.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/metrics.h"
#include "sources/ebpf/protocols/exchange.h"

namespace weft::ebpf {

enum class Outcome : uint8_t {
  kDone,      // a whole message (or head) was read; `used` bytes of it
  kNeedMore,  // a right beginning; call again with more bytes
  kSkip,      // `used` bytes, then `skip` stream bytes that need not be captured; then call again
  kInvalid,   // not a message: resynchronise
  kEnd        // the stream stops being this protocol (upgrade, CONNECT, MONITOR)
};

enum class MessageKind : uint8_t { kRequest, kResponse };

// What first bytes look like.
enum class Guess : uint8_t { kNo, kMaybe, kRequest, kResponse };

struct Step {
  Outcome outcome = Outcome::kInvalid;
  uint64_t used = 0;  // captured bytes consumed
  uint64_t skip = 0;  // further stream bytes, captured or not, that belong to the message
};

// Per-connection state of a protocol.
class Dialogue {
 public:
  virtual ~Dialogue() = default;

  // Parses the head of one message at the beginning of `bytes`. On kDone and kSkip the fields are
  // in `out` (a request) or kept for Pair (a response). kSkip: the message goes on; Continue is
  // called after the skip.
  virtual Step ParseHead(MessageKind kind, std::string_view bytes, Exchange* out) = 0;
  // Goes on inside a message whose head was read: kSkip, kNeedMore, or kDone at its last byte.
  virtual Step Continue(MessageKind kind, std::string_view bytes) = 0;
  // A message lasts until the direction closes, or until the next plausible start.
  virtual bool UntilClose(MessageKind kind) const = 0;

  // Which of the `open` requests (oldest first) the response just parsed belongs to; writes status
  // and attributes to it. nullopt: to none (1xx, push message, answer to an unseen request).
  virtual std::optional<size_t> Pair(std::vector<Exchange*>& open) = 0;
  // Bytes were lost or skipped blindly in that direction.
  virtual void Lost(MessageKind kind) = 0;
};

class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual uint8_t id() const = 0;  // weft_protocol
  virtual std::string_view name() const = 0;
  // First bytes of a direction; kMaybe: too few to say.
  virtual Guess Recognise(std::string_view bytes) const = 0;
  // Offset of the next plausible start of a message of that kind; npos: none here.
  virtual size_t FindBoundary(MessageKind kind, std::string_view bytes) const = 0;
  virtual std::unique_ptr<Dialogue> NewDialogue() const = 0;
};

struct ProtocolSettings {
  bool capture_truth = false;             // X-Weft-Truth and weft-truth: arguments, for scoring
  bool redis_arguments = false;           // db.query.text with arguments instead of `?`
  std::vector<std::string> headers;       // further request and response headers to attributes
  std::vector<std::string> secret_names;  // further query parameters to redact
  size_t head_bytes = 16384;              // buffered per direction while a head is incomplete
  size_t max_open = 4096;                 // unanswered requests per connection
};

// The protocols in use, with their settings and counters. Immutable after construction; any thread.
class ProtocolSet {
 public:
  ProtocolSet(ProtocolSettings settings, Metrics& metrics);
  ~ProtocolSet();

  // Ledger of the parsers: every message, resync and give-up.
  struct Counters {
    Counter &exchanges, &unanswered, &unpaired, &resyncs, &skipped_bytes, &lost_bytes, &invalid,
        &context_invalid, &given_up, &overflow;
  };
  const ProtocolSettings& settings() const { return settings_; }
  const std::vector<std::unique_ptr<Protocol>>& protocols() const { return protocols_; }
  const Counters& counters() const { return counters_; }

 private:
  ProtocolSettings settings_;
  Counters counters_;
  std::vector<std::unique_ptr<Protocol>> protocols_;
};

}  // namespace weft::ebpf
