// HTTP/1.0 and 1.1 (RFC 9110, 9112) as spans with OpenTelemetry's HTTP semantic conventions.
//
// Messages are framed by Content-Length, chunks or the end of the connection; responses answer
// requests in order, interim ones (1xx) answer none; 101 and a successful CONNECT end the protocol.
#pragma once

#include <memory>

#include "sources/ebpf/protocols/http1/server_names.h"
#include "sources/ebpf/protocols/http1/url_texts.h"
#include "sources/ebpf/protocols/protocol.h"
#include "sources/ebpf/protocols/protocol_set.h"

namespace weft::ebpf::http1 {

// What all conversations remember together.
struct Memory {
  UrlTexts urls;
  ServerNames servers;
};

class Http1 final : public Protocol {
 public:
  // `set` lends settings, counters and redaction, and must outlive the protocol.
  explicit Http1(const ProtocolSet& set)
      : set_(set), shared_{UrlTexts(set.names(), set.redactor()), ServerNames(set.redactor())} {}

  uint8_t id() const override;
  Guess Recognise(std::string_view bytes) const override;
  bool MayBegin(MessageKind kind, std::string_view bytes) const override;
  bool pipelines() const override { return false; }
  std::unique_ptr<Dialogue> NewDialogue() const override;

 private:
  const ProtocolSet& set_;
  mutable Memory shared_;
};

}  // namespace weft::ebpf::http1
