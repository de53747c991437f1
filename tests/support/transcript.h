// Transcript: a recorded conversation as text, for golden and property tests of the protocols.
//
// One directive per line:
//   set joined | set truth | set arguments | set header NAME     before the first segment
//   < "bytes" [+N]     received; +N: N further bytes that were not captured
//   > "bytes" [+N]     sent
//   < lost N           N bytes of which no record arrived
//   wait MS            the clock moves on (each segment moves it by 1 ms anyway)
//   < fin              that direction ends
//   end                the connection ends
// Escapes in bytes: \r \n \t \" \\ \xHH; a line that begins with a quote goes on with the one
// before.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "sources/ebpf/protocols/conversation.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::testing {

struct Event {
  enum class Kind { kBytes, kLost, kFin, kEnd, kWait };
  Kind kind = Kind::kBytes;
  ebpf::Direction direction = ebpf::Direction::kReceived;
  std::string bytes;
  uint64_t n = 0;  // kBytes: not captured; kLost: bytes; kWait: milliseconds
};

struct Transcript {
  bool joined = false;
  ebpf::ProtocolSettings settings;
  std::vector<Event> events;
};

// What one exchange was found to be, as far as it does not depend on how bytes were cut.
struct Found {
  ebpf::Direction direction;
  uint64_t request_begin, request_end, response_begin, response_end;
  bool has_response, incomplete;
  std::string operation, text;  // text: the whole exchange as in .expect files
  friend bool operator==(const Found&, const Found&) = default;
};

Result<Transcript> ParseTranscript(std::string_view text);
// Runs it through a conversation; the last lines of `ledger`, if given, are the counters.
std::vector<Found> Play(const Transcript& transcript, std::string* ledger = nullptr);
std::string Quote(std::string_view bytes);

}  // namespace weft::testing
