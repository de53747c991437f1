// Exchange: one request and its response as the protocols understood them, on one side of one
// connection; what becomes one observation row.
//
// Made and owned by a Conversation and lent to its ExchangeSink for the call. Objects are reused,
// so that the steady state allocates nothing. Positions are those of the segments that were fed in.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/token_set.h"

namespace weft::ebpf {

// As seen by the process that owns the socket.
enum class Direction : uint8_t { kReceived = 0, kSent = 1 };
constexpr Direction Opposite(Direction d) {
  return d == Direction::kReceived ? Direction::kSent : Direction::kReceived;
}

// Who moved bytes, and when: copied from the record that carried them.
struct Mark {
  int64_t time_ns = 0;
  uint32_t pid = 0;
  uint32_t tid = 0;
  int32_t fd = -1;
};

// One message's place in its direction of the stream.
struct Extent {
  uint64_t begin = 0;  // position of the first byte
  uint64_t end = 0;  // position after the last byte; a lower bound while the message is unfinished
  Mark first;        // of the record with the first byte, and with the last byte seen so far
  Mark last;
  uint64_t bytes() const { return end - begin; }
};

// Key-value pairs in one arena. Keys must live as long as the settings (static or configured text).
class Attributes {
 public:
  struct Item {
    std::string_view key;
    bool is_number = false;
    uint32_t size = 0;  // of a text that begins at `offset`, or at `fixed` if that is set
    const char* fixed = nullptr;
    int64_t number = 0;  // or the offset
  };
  void Add(std::string_view key, std::string_view value) {
    Append({key, false, static_cast<uint32_t>(value.size()), nullptr,
            static_cast<int64_t>(text_.size())});
    text_.append(value);
  }
  // A value that lives as long as the keys.
  void AddFixed(std::string_view key, std::string_view value) {
    Append({key, false, static_cast<uint32_t>(value.size()), value.data(), 0});
  }
  void Add(std::string_view key, int64_t value) { Append({key, true, 0, nullptr, value}); }
  // A text that is put together in place: whatever is appended to the result until Close.
  std::string* Open(std::string_view key) {
    Append({key, false, 0, nullptr, static_cast<int64_t>(text_.size())});
    return &text_;
  }
  void Close() {
    Item& last = items_[n_ - 1];
    last.size = static_cast<uint32_t>(text_.size() - static_cast<size_t>(last.number));
  }
  std::span<const Item> items() const { return {items_.data(), n_}; }
  std::string_view Text(const Item& item) const {
    return {item.fixed != nullptr ? item.fixed : text_.data() + item.number, item.size};
  }
  void Clear() { n_ = 0, text_.clear(); }
  size_t MemoryBytes() const { return items_.capacity() * sizeof(Item) + text_.capacity(); }

 private:
  void Append(const Item& item) {
    if (n_ == items_.size()) Grow();
    items_[n_++] = item;
  }
  void Grow();

  std::vector<Item> items_;  // the first n_
  size_t n_ = 0;
  std::string text_;
};

// Trace context found in the request (W3C, else B3); only ever a valid one.
struct TraceContext {
  uint64_t trace_hi = 0, trace_lo = 0, span_id = 0;
  bool sampled = false;
  bool unsampled = false;  // neither: B3 that leaves it to the receiver
  bool valid() const { return (trace_hi | trace_lo) != 0 && span_id != 0; }
};

struct Exchange {
  uint8_t protocol = 0;       // weft_protocol
  uint8_t status = 0;         // weft_status
  bool incomplete = false;    // bytes of it were lost; without a response: the response is unknown,
                              // and response.last says when it had come at the latest, if known
  bool aborted = false;       // the connection ended before the response was whole
  bool pipelined = false;     // sent before the previous response began
  bool one_way = false;       // the protocol has no response to it; end is the request's end
  bool has_response = false;  // response is set (its first byte has been seen)
  bool names_server = false;  // server.address is among the attributes (Host header)
  Direction request_direction = Direction::kReceived;  // kReceived: SERVER, kSent: CLIENT
  Extent request, response;
  std::string operation;    // span name, low cardinality
  std::string peer;         // Host header and the like: who was called; may be empty
  std::string request_id;   // X-Request-ID
  std::string trace_state;  // of a valid tracestate header beside a valid traceparent
  std::string truth;        // scoring only; never an attribute
  uint32_t tag = 0;         // the protocol's own
  uint64_t wire_id = 0;     // where it is not made of the positions above
  TraceContext context;
  Attributes attributes;
  TokenSet request_tokens, response_tokens;  // TokenReader's
  bool answers_secret = false;  // what it asks for is a secret: its response gives no tokens

  void Clear();
  size_t MemoryBytes() const;
};

}  // namespace weft::ebpf
