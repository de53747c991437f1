#include "sources/replay/json_trace_file.h"

#include <utility>

#include <fmt/format.h>
#include <simdjson.h>

#include "sources/otlp/otlp_json.h"
#include "sources/replay/foreign_rows.h"
#include "sources/replay/jaeger_traces.h"
#include "sources/replay/json_documents.h"
#include "sources/replay/otel_rows.h"
#include "sources/replay/zipkin_traces.h"

namespace weft::sources {
namespace {

constexpr uint32_t kRows = 65536;  // of one Next, so that the traces of most files stay whole

class JsonTraceFile final : public TraceFile {
 public:
  JsonTraceFile(std::unique_ptr<ByteStream> bytes, std::string name)
      : rows_(std::move(name), totals_),
        documents_(std::move(bytes), [this](uint64_t line, std::string_view reason) {
          rows_.Malformed(line, reason);
        }) {}

  Result<bool> Next(api::SpanTable* out) override {
    out_ = out;
    rows_.Begin(*out);
    bool more = true;
    for (const uint32_t enough = out->n() + kRows; more && out->n() < enough;) {
      const auto document = documents_.Next();
      if (!document) return std::unexpected(document.error());
      more = document->has_value();
      if (more) Read(**document);
    }
    zipkin_.Separate(*out);
    return more;
  }
  std::string_view format() const override { return format_; }
  const Totals& totals() const override { return totals_; }

 private:
  void Read(const JsonDocuments::Document& document) {
    if (document.place == JsonDocuments::Place::kResourceSpans) {
      text_ = "{\"resourceSpans\":[";
      text_.append(document.text).append("]}");
      return Otlp(text_, document.line);
    }
    JsonElement value;
    if (const auto error = parser_.parse(document.text.data(), document.text.size()).get(value))
      return rows_.Malformed(document.line, simdjson::error_message(error));
    if (!One(value, document.line)) {
      if (Has(value, "resourceSpans")) return Otlp(document.text, document.line);
      rows_.Malformed(document.line, "no span or trace of a known form");
    }
  }

  // One span or trace, or a list or envelope of such. False: none of them.
  bool One(JsonElement value, uint64_t line, int depth = 0) {
    if (depth > 4) return false;
    JsonElement inside;
    if (value.is_array()) {
      bool all = true;
      simdjson::dom::array list;
      if (value.get(list) != simdjson::SUCCESS) return false;
      for (const JsonElement one : list)
        if (!One(one, line, depth + 1)) all = false;
      return all;
    }
    if (JaegerTraces::IsTrace(value)) {
      format_ = "Jaeger JSON";
      jaeger_.Trace(value, line, rows_);
    } else if (JaegerTraces::IsRow(value)) {
      format_ = "Jaeger rows of Elasticsearch";
      jaeger_.Row(value, line, rows_);
    } else if (ZipkinTraces::IsSpan(value)) {
      format_ = "Zipkin JSON";
      zipkin_.Span(value, line, rows_, *out_);
    } else if (OtelRows::IsRow(value)) {
      format_ = "OpenTelemetry rows of a search index";
      otel_.Row(value, line, rows_);
    } else if (IsObject(value) && value["_source"].get(inside) == simdjson::SUCCESS) {
      return One(inside, line, depth + 1);
    } else if (IsObject(value) && value["hits"].get(inside) == simdjson::SUCCESS) {
      return One(inside, line, depth + 1);
    } else if (IsObject(value) && value["data"].get(inside) == simdjson::SUCCESS &&
               inside.is_array()) {
      return One(inside, line, depth + 1);
    } else {
      return Has(value, "index") || Has(value, "create");  // the action line of a bulk request
    }
    return true;
  }

  void Otlp(std::string_view text, uint64_t line) {
    format_ = "OTLP JSON";
    const uint32_t before = out_->n();
    const auto decoded = otlp_.Decode(text, out_);
    totals_.spans += out_->n() - before;
    if (!decoded) return rows_.Malformed(line, decoded.error().message);
    for (uint64_t i = 0; i < decoded->invalid; ++i)
      rows_.Malformed(line, "a span without valid ids or times");
    // It may have made processes of its own.
    rows_.Begin(*out_);
  }

  Totals totals_;
  ForeignRows rows_;
  JsonDocuments documents_;
  simdjson::dom::parser parser_;
  otlp::JsonDecoder otlp_;
  JaegerTraces jaeger_;
  ZipkinTraces zipkin_;
  OtelRows otel_;
  api::SpanTable* out_ = nullptr;
  std::string text_;
  std::string_view format_ = "JSON";
};

}  // namespace

std::unique_ptr<TraceFile> OpenJsonTraces(std::unique_ptr<ByteStream> bytes, std::string name) {
  return std::make_unique<JsonTraceFile>(std::move(bytes), std::move(name));
}

}  // namespace weft::sources
