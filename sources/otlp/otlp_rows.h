// OtlpRows: spans that programs made themselves, as rows of a SpanTable.
//
// Both decoders (otlp_proto.h, otlp_json.h) feed it:
//   (Resource ResourceAttribute* EndResource (Scope Span*)*)*
// What OTLP has and the columns have not becomes attributes, by OpenTelemetry's own names where it
// has them (otel.scope.name, otel.status_description, ...); sinks/otlp turns them back. A span
// without valid ids or times is left out and counted. Text is lent for the call. One thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/api/ids.h"
#include "engine/api/span_table.h"

namespace weft::otlp {

// An attribute's value; lists, maps and bytes come as the text that the decoder made of them.
struct Value {
  uint8_t type = WEFT_ATTR_STRING;
  std::string_view text;  // WEFT_ATTR_STRING
  uint64_t bits = 0;      // else, as weft_pairs has it
};

struct Span {
  api::TraceId trace;
  uint64_t span_id = 0, parent_id = 0;
  bool ids_valid = true;  // no id has the wrong length or wrong digits
  uint64_t start_ns = 0, end_ns = 0;
  uint64_t kind = 0, status = 0;  // OTLP's numbers
  std::string_view name, trace_state, status_message;
  uint32_t operation = 0;  // the name's number, where OtlpRows::Text has made it one
  std::string_view events_json, links_json;  // "" for none
  uint64_t dropped_attributes = 0, dropped_events = 0, dropped_links = 0;
  uint32_t trace_flags = 0;  // W3C's are the lowest 8 bits; 1: sampled
};

class OtlpRows {
 public:
  explicit OtlpRows(api::SpanTable& out);

  void Resource();
  void ResourceAttribute(std::string_view key, const Value& value);
  void EndResource();
  void Scope(std::string_view name, std::string_view version);

  // The pair's number for Attributes; the same pair may be used for many spans.
  uint32_t Pair(std::string_view key, const Value& value);
  // In steps, for who remembers numbers of texts.
  uint32_t Text(std::string_view text) { return out_.Intern(text); }
  uint32_t TextPair(uint32_t key, std::string_view value) {
    return out_.pairs.Intern(key, WEFT_ATTR_STRING, out_.Intern(value));
  }
  // False: it was left out, and counted. Attributes of the newest row follow.
  bool AddSpan(const Span& span);
  void Attribute(uint32_t pair) { out_.AttributePair(pair); }
  void Attributes(const std::vector<uint32_t>& pairs) {
    out_.attr.insert(out_.attr.end(), pairs.begin(), pairs.end());
    out_.attr_offset.back() = static_cast<uint32_t>(out_.attr.size());
  }
  uint64_t invalid() const { return invalid_; }

 private:
  void AddText(std::string_view key, std::string_view value);
  void Number(std::string_view key, uint64_t value);

  api::SpanTable& out_;
  std::unordered_map<uint64_t, uint32_t> known_;  // process id -> row: a message may have 10^5
  uint64_t invalid_ = 0;
  // Of the resource at hand.
  uint64_t identity_ = 0;
  uint32_t process_ = 0, service_ = 0, host_ = 0, executable_ = 0, pid_ = 0;
  std::vector<uint32_t> resource_attributes_;
  std::string_view scope_name_, scope_version_;
};

}  // namespace weft::otlp
