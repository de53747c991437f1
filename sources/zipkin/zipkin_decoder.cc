#include "sources/zipkin/zipkin_decoder.h"

#include <exception>
#include <string>

#include <simdjson.h>

#include "sources/replay/foreign_rows.h"
#include "sources/replay/zipkin_traces.h"

namespace weft::zipkin {
namespace {

// Beyond it simdjson keeps the memory of the largest document it has met.
constexpr size_t kKeepCapacity = size_t{4} << 20;

}  // namespace

class ZipkinDecoder::Impl {
 public:
  Result<otlp::Decoded> Decode(std::string_view message, api::SpanTable* out) {
    const uint32_t before = out->n();
    totals_ = {};
    try {
      simdjson::dom::array spans;
      if (const auto error = parser_.parse(message.data(), message.size()).get(spans))
        return Fail(Code::kCorrupt, std::string("Zipkin JSON: expected a list of spans: ") +
                                        simdjson::error_message(error));
      sources::ForeignRows rows("zipkin", totals_);
      sources::ZipkinTraces traces;
      rows.Begin(*out);
      uint64_t number = 0;
      for (const sources::JsonElement span : spans) {
        ++number;
        if (!sources::IsObject(span) || !sources::ZipkinTraces::IsSpan(span))
          rows.Malformed(number, "no span of Zipkin's API v2");
        else
          traces.Span(span, number, rows, *out);
      }
      traces.SeparateServers(*out);
    } catch (const std::exception& e) {
      return Fail(Code::kFull, std::string("Zipkin JSON: ") + e.what());
    }
    if (parser_.capacity() > kKeepCapacity) parser_ = simdjson::dom::parser();
    return otlp::Decoded{out->n() - before, totals_.malformed};
  }

 private:
  simdjson::dom::parser parser_;
  sources::TraceFile::Totals totals_;
};

ZipkinDecoder::ZipkinDecoder() : impl_(std::make_unique<Impl>()) {}
ZipkinDecoder::~ZipkinDecoder() = default;

Result<otlp::Decoded> ZipkinDecoder::Decode(std::string_view message, api::SpanTable* out) {
  return impl_->Decode(message, out);
}

}  // namespace weft::zipkin
