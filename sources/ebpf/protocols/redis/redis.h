// Redis (RESP2 and RESP3) as spans with OpenTelemetry's database semantic conventions.
//
// Replies answer commands in order. What is neither a command nor its reply must not shift that:
// pushes, subscription messages, confirmations beyond the first, CLIENT REPLY OFF and SKIP. MONITOR
// and replication end the protocol. Lengths lead over values that were not captured.
#pragma once

#include <memory>

#include "sources/ebpf/protocols/protocol.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::ebpf::redis {

class Redis final : public Protocol {
 public:
  // `set` lends settings, counters and redaction, and must outlive the protocol.
  explicit Redis(const ProtocolSet& set) : set_(set) {}

  uint8_t id() const override;
  Guess Recognise(std::string_view bytes) const override;
  bool MayBegin(MessageKind kind, std::string_view bytes) const override;
  bool pipelines() const override { return true; }
  std::unique_ptr<Dialogue> NewDialogue() const override;

 private:
  const ProtocolSet& set_;
};

}  // namespace weft::ebpf::redis
