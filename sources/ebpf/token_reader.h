// TokenReader: the tokens of one message of HTTP/1 or Redis, from the bytes of it that were
// captured.
//
// Called by Talk with the beginning of each message and with the first piece of its body; later
// pieces are not read, because a value may have its secret name in the piece before. Headers that
// say how and not what are left out, and so are secrets and the ground truth of scoring. What lines
// of headers gave is remembered for when they come again. One thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sources/ebpf/protocols/exchange.h"
#include "sources/ebpf/protocols/http1/head_memory.h"
#include "sources/ebpf/protocols/protocol.h"
#include "sources/ebpf/token_text.h"

namespace weft::ebpf {

class TokenReader {
 public:
  // `heads` must outlive the reader. Where it has the walk over a message's head, that is taken.
  TokenReader(std::string_view salt, const std::vector<std::string>& excluded,
              http1::HeadMemory& heads)
      : heads_(heads), text_(salt, excluded) {}

  // Head and what follows it. `whole`: the message ends with the bytes. Writes to exchange->tokens.
  // True when the body's first piece is still to come and wanted.
  bool Message(MessageKind kind, std::string_view bytes, bool whole, Exchange* exchange) const;
  void Body(MessageKind kind, std::string_view bytes, bool whole, Exchange* exchange) const;

 private:
  bool Http(MessageKind kind, std::string_view bytes, bool whole, TokenSet* out) const;
  // Start line and fields; whether the body is encoded.
  bool Head(const http1::HeadWalk& walk, TokenSet* out) const;
  void Line(const http1::StartLine& line, TokenSet* out) const;
  void Target(std::string_view target, bool cut, TokenSet* out) const;
  // Walks over a head that nobody has walked over; false where it is none.
  bool Walk(MessageKind kind, std::string_view bytes) const;
  void Field(const http1::HeadField& field, TokenSet* out) const;
  void HttpBody(std::string_view bytes, bool whole, TokenSet* out) const;
  void RedisRequest(std::string_view bytes, Exchange* exchange) const;
  bool ScanElement(std::string_view text, bool cut, bool* named, TokenSet* out) const;
  void RedisReply(std::string_view bytes, TokenSet* out) const;

  static constexpr size_t kTargets = 4096;
  static constexpr size_t kMaxTarget = 192;  // longer ones are not remembered

  http1::HeadMemory& heads_;
  TokenText text_;
  mutable NameVerdicts idle_;  // headers that are not read
  struct KnownTarget {
    std::string text;
    TokenSet tokens;
  };
  mutable std::vector<KnownTarget> targets_{kTargets};
};

}  // namespace weft::ebpf
