// Parts of OTLP's protobuf that are rare on spans, as JSON text: lists, maps and bytes in
// attributes, events, links. For otlp_proto.cc. Throws protozero's exceptions on malformed bytes.
#pragma once

#include <string>
#include <vector>

#include <protozero/pbf_reader.hpp>

#include "sources/otlp/otlp_rows.h"

namespace weft::otlp {

// A field of the wrong wire type is an unknown field. (protozero checks it by assertions only.)
constexpr uint32_t Bytes(uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::length_delimited);
}
constexpr uint32_t Varint(uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::varint);
}
constexpr uint32_t Fixed64(uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::fixed64);
}
constexpr uint32_t Fixed32(uint32_t tag) {
  return protozero::tag_and_type(tag, protozero::pbf_wire_type::fixed32);
}

// Calls visit(bytes) for every field `tag` of the message.
template <typename Visit>
void ForEach(protozero::data_view message, uint32_t tag, Visit visit) {
  for (protozero::pbf_reader in(message); in.next();) {
    if (in.tag_and_type() == Bytes(tag))
      visit(in.get_view());
    else
      in.skip();
  }
}

// A KeyValue: key and value. Text that had to be made goes to *made, which must live as long.
struct KeyValue {
  std::string_view key;
  Value value;
};
KeyValue ReadKeyValue(protozero::data_view message, std::string* made);

// [{"timeUnixNano":"1","name":"x","attributes":{...}},...]; [{"traceId":...,"spanId":...},...]
std::string EventsJson(const std::vector<protozero::data_view>& events);
std::string LinksJson(const std::vector<protozero::data_view>& links);

// 16 bytes; false, and zero, for any other length.
bool ReadTraceId(protozero::data_view bytes, api::TraceId* id);
// 8 bytes.
bool ReadSpanId(protozero::data_view bytes, uint64_t* id);

}  // namespace weft::otlp
