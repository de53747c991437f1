// RequestDescriber and ResponseDescriber: from the fields of a head to span name, status and
// attributes (OpenTelemetry semantic conventions for HTTP, stable), redacted.
//
// Used by the HTTP/1 dialogue, one head at a time. Views given to them need to live until Finish.
#pragma once

#include <string>
#include <string_view>

#include "sources/ebpf/protocols/http1/head.h"
#include "sources/ebpf/protocols/http1/known_heads.h"
#include "sources/ebpf/protocols/http1/server_names.h"
#include "sources/ebpf/protocols/http1/url_texts.h"
#include "sources/ebpf/protocols/protocol_set.h"
#include "sources/ebpf/protocols/trace_headers.h"

namespace weft::ebpf::http1 {

class RequestDescriber {
 public:
  RequestDescriber(const ProtocolSet& set, UrlTexts& urls, ServerNames& servers,
                   const StartLine& line, Exchange* out)
      : set_(set), urls_(urls), servers_(servers), line_(line), out_(out) {}
  void Field(FieldName which, std::string_view name, std::string_view value);
  // Writes everything to the exchange.
  void Finish();

 private:
  void AddUrl();
  void AddServer();

  const ProtocolSet& set_;
  UrlTexts& urls_;
  ServerNames& servers_;
  const StartLine& line_;
  Exchange* out_;
  std::string_view host_, user_agent_;
  TraceHeaders context_;
};

class ResponseDescriber {
 public:
  explicit ResponseDescriber(const ProtocolSet& set) : set_(set) {}
  void Begin(const StartLine& line);
  // All that Begin and Field would do with the head.
  void Begin(const KnownHead& known);
  void Field(FieldName which, std::string_view name, std::string_view value);
  void Keep(const Framing& framing, KnownHead* known) const;
  void Finish(Exchange* out) const;

 private:
  const ProtocolSet& set_;
  int status_ = 0;
  Attributes headers_;  // configured ones
};

}  // namespace weft::ebpf::http1
