// OTLP in JSON, as a Collector's Kafka exporter writes with encoding otlp_json: ids as hex digits,
// 64-bit numbers as text or as numbers, enums as numbers or names.
//
// The same contract as ProtoDecoder's (otlp_proto.h). One thread.
#pragma once

#include <memory>
#include <string_view>

#include "sources/otlp/otlp_proto.h"

namespace weft::otlp {

class JsonDecoder {
 public:
  JsonDecoder();
  ~JsonDecoder();
  Result<Decoded> Decode(std::string_view message, api::SpanTable* out);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::otlp
