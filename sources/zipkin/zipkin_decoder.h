// ZipkinDecoder: a request to Zipkin's API v2 (a JSON list of spans) as rows of a SpanTable.
//
// The contract of otlp::ProtoDecoder: kCorrupt where the message is none, and what was decoded
// before stays in the table; spans that cannot be are left out and counted. One thread.
#pragma once

#include <memory>
#include <string_view>

#include "engine/api/span_table.h"
#include "engine/base/result.h"
#include "sources/otlp/otlp_proto.h"

namespace weft::zipkin {

class ZipkinDecoder {
 public:
  ZipkinDecoder();
  ~ZipkinDecoder();
  Result<otlp::Decoded> Decode(std::string_view message, api::SpanTable* out);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::zipkin
