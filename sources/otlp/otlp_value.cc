#include "sources/otlp/otlp_value.h"

#include <bit>

#include "engine/base/json_text.h"
#include "sources/otlp/otlp_proto.h"

namespace weft::otlp {
namespace {

using protozero::data_view;
using protozero::pbf_reader;

std::string_view View(data_view bytes) { return {bytes.data(), bytes.size()}; }

uint64_t BigEndian(const char* bytes) {
  uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

void AppendBase64(std::string& out, std::string_view bytes) {
  constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    const size_t n = std::min<size_t>(3, bytes.size() - i);
    for (size_t j = 0; j < 3; ++j)
      word = word << 8 | (j < n ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; ++j) out.push_back(j <= n ? kDigits[word >> (18 - 6 * j) & 63] : '=');
  }
}

void AppendValue(std::string& out, data_view message, int depth);

void AppendList(std::string& out, data_view message, int depth) {
  out.push_back('[');
  ForEach(message, 1, [&](data_view value) {
    if (out.back() != '[') out.push_back(',');
    AppendValue(out, value, depth);
  });
  out.push_back(']');
}

// One KeyValue of an object that is being written.
void AppendMember(std::string& out, data_view message, int depth) {
  std::string_view key;
  data_view value;
  for (pbf_reader pair(message); pair.next();) {
    if (pair.tag_and_type() == Bytes(1))
      key = View(pair.get_view());
    else if (pair.tag_and_type() == Bytes(2))
      value = pair.get_view();
    else
      pair.skip();
  }
  if (out.back() != '{') out.push_back(',');
  AppendJsonString(out, key);
  out.push_back(':');
  AppendValue(out, value, depth);
}

void AppendMap(std::string& out, data_view message, int depth) {
  out.push_back('{');
  ForEach(message, 1, [&](data_view member) { AppendMember(out, member, depth); });
  out.push_back('}');
}

void AppendValue(std::string& out, data_view message, int depth) {
  if (depth >= kMaxDepth) {
    out += "null";
    return;
  }
  const size_t begin = out.size();
  for (pbf_reader any(message); any.next();) {
    out.resize(begin);  // of a oneof the last one counts
    switch (any.tag_and_type()) {
      case Bytes(1): AppendJsonString(out, View(any.get_view())); break;
      case Varint(2): out += any.get_bool() ? "true" : "false"; break;
      case Varint(3): AppendInt(out, any.get_int64()); break;
      case Fixed64(4): AppendDouble(out, any.get_double()); break;
      case Bytes(5): AppendList(out, any.get_view(), depth + 1); break;
      case Bytes(6): AppendMap(out, any.get_view(), depth + 1); break;
      case Bytes(7):
        out.push_back('"');
        AppendBase64(out, View(any.get_view()));
        out.push_back('"');
        break;
      default: any.skip();
    }
  }
  if (out.size() == begin) out += "null";
}

Value ReadValue(data_view message, std::string* made) {
  Value value;
  for (pbf_reader any(message); any.next();) {
    switch (any.tag_and_type()) {
      case Bytes(1): value = {WEFT_ATTR_STRING, View(any.get_view()), 0}; break;
      case Varint(2): value = {WEFT_ATTR_BOOL, {}, any.get_bool() ? 1u : 0u}; break;
      case Varint(3): value = {WEFT_ATTR_INT, {}, std::bit_cast<uint64_t>(any.get_int64())}; break;
      case Fixed64(4):
        value = {WEFT_ATTR_DOUBLE, {}, std::bit_cast<uint64_t>(any.get_double())};
        break;
      case Bytes(5):
        made->clear();
        AppendList(*made, any.get_view(), 1);
        value = {WEFT_ATTR_STRING, *made, 0};
        break;
      case Bytes(6):
        made->clear();
        AppendMap(*made, any.get_view(), 1);
        value = {WEFT_ATTR_STRING, *made, 0};
        break;
      case Bytes(7):
        made->clear();
        AppendBase64(*made, View(any.get_view()));
        value = {WEFT_ATTR_STRING, *made, 0};
        break;
      default: any.skip();
    }
  }
  return value;
}

void AppendTime(std::string& out, uint64_t ns) {
  out += "\"timeUnixNano\":\"";
  AppendUint(out, ns);
  out += "\",";
}

void AppendText(std::string& out, std::string_view key, std::string_view value) {
  AppendJsonString(out, key);
  out.push_back(':');
  AppendJsonString(out, value);
  out.push_back(',');
}

// ,"attributes":{...}
void AppendAttributes(std::string& out, const std::vector<data_view>& attributes) {
  if (attributes.empty()) return;
  out += "\"attributes\":{";
  for (const data_view attribute : attributes) AppendMember(out, attribute, 1);
  out += "},";
}

void Close(std::string& out, char bracket) {
  if (out.back() == ',') out.pop_back();
  out.push_back(bracket);
}

}  // namespace

bool ReadTraceId(data_view bytes, api::TraceId* id) {
  *id = {};
  if (bytes.size() != 16) return false;
  *id = {BigEndian(bytes.data()), BigEndian(bytes.data() + 8)};
  return true;
}

bool ReadSpanId(data_view bytes, uint64_t* id) {
  *id = 0;
  if (bytes.size() != 8) return false;
  *id = BigEndian(bytes.data());
  return true;
}

KeyValue ReadKeyValue(data_view message, std::string* made) {
  KeyValue out;
  for (pbf_reader pair(message); pair.next();) {
    if (pair.tag_and_type() == Bytes(1))
      out.key = View(pair.get_view());
    else if (pair.tag_and_type() == Bytes(2))
      out.value = ReadValue(pair.get_view(), made);
    else
      pair.skip();
  }
  return out;
}

std::string EventsJson(const std::vector<data_view>& events) {
  if (events.empty()) return {};
  std::string out = "[";
  for (const data_view message : events) {
    out.push_back('{');
    std::vector<data_view> attributes;
    for (pbf_reader event(message); event.next();) {
      switch (event.tag_and_type()) {
        case Fixed64(1): AppendTime(out, event.get_fixed64()); break;
        case Bytes(2): AppendText(out, "name", View(event.get_view())); break;
        case Bytes(3): attributes.push_back(event.get_view()); break;
        default: event.skip();
      }
    }
    AppendAttributes(out, attributes);
    Close(out, '}');
    out.push_back(',');
  }
  Close(out, ']');
  return out;
}

std::string LinksJson(const std::vector<data_view>& links) {
  if (links.empty()) return {};
  std::string out = "[";
  for (const data_view message : links) {
    api::TraceId trace;
    uint64_t span = 0;
    std::string_view state;
    std::vector<data_view> attributes;
    for (pbf_reader link(message); link.next();) {
      switch (link.tag_and_type()) {
        case Bytes(1): ReadTraceId(link.get_view(), &trace); break;
        case Bytes(2): ReadSpanId(link.get_view(), &span); break;
        case Bytes(3): state = View(link.get_view()); break;
        case Bytes(4): attributes.push_back(link.get_view()); break;
        default: link.skip();
      }
    }
    out += "{\"traceId\":\"";
    AppendHex(out, trace.hi);
    AppendHex(out, trace.lo);
    out += "\",\"spanId\":\"";
    AppendHex(out, span);
    out += "\",";
    if (!state.empty()) AppendText(out, "traceState", state);
    AppendAttributes(out, attributes);
    Close(out, '}');
    out.push_back(',');
  }
  Close(out, ']');
  return out;
}

}  // namespace weft::otlp
