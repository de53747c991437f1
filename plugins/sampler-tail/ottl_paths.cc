// The paths of OTTL that are carried.
#include <map>

#include "plugins/sampler-tail/columns.h"
#include "plugins/sampler-tail/ottl.h"

namespace weft::tail {
namespace {

OttlValue FromPair(const weft_spans& s, uint32_t pair) {
  const uint64_t bits = s.pairs->value[pair];
  switch (s.pairs->type[pair]) {
    case WEFT_ATTR_INT: return static_cast<int64_t>(bits);
    case WEFT_ATTR_BOOL: return bits != 0;
    case WEFT_ATTR_DOUBLE: return __builtin_bit_cast(double, bits);
    default: return sdk::View(s.strings[bits]);
  }
}

// A key's number among the strings of the batch, looked up when the batch is first seen.
class KeyNumber {
 public:
  explicit KeyNumber(std::string key) : key_(std::move(key)) {}
  uint32_t Of(const OttlScope& scope) {
    if (batch_ == scope.batch) return number_;
    batch_ = scope.batch;
    number_ = WEFT_NONE;
    const weft_pairs* pairs = scope.spans->pairs;
    uint32_t last = WEFT_NONE;
    for (uint32_t i = 0; pairs != nullptr && i < pairs->n && number_ == WEFT_NONE; ++i) {
      if (pairs->key[i] == last) continue;
      last = pairs->key[i];
      if (sdk::View(scope.spans->strings[last]) == key_) number_ = last;
    }
    return number_;
  }
  const std::string& key() const { return key_; }

 private:
  std::string key_;
  uint64_t batch_ = UINT64_MAX;
  uint32_t number_ = WEFT_NONE;
};

OttlValue Find(const weft_spans& s, const uint32_t* offsets, const uint32_t* attributes,
               uint32_t of, uint32_t key) {
  if (key == WEFT_NONE || offsets == nullptr) return {};
  for (uint32_t at = offsets[of]; at < offsets[of + 1]; ++at)
    if (s.pairs->key[attributes[at]] == key) return FromPair(s, attributes[at]);
  return {};
}

OttlValue OfColumn(const ColumnReader& column, const weft_spans& s, uint32_t row) {
  const AttributeValue value = column(s, row);
  if (value.type == WEFT_ATTR_INT && value.bits != 0) return static_cast<int64_t>(value.bits);
  if (value.type == WEFT_ATTR_STRING && !value.text.empty()) return value.text;
  return {};
}

OttlGetter SpanAttribute(const std::string& key) {
  auto number = std::make_shared<KeyNumber>(key);
  const ColumnReader* column = FindColumn(key);
  return [number, column](OttlScope& s) -> OttlValue {
    const OttlValue found =
        Find(*s.spans, s.spans->attr_offset, s.spans->attr, s.row, number->Of(s));
    if (!std::holds_alternative<std::monostate>(found) || column == nullptr) return found;
    return OfColumn(*column, *s.spans, s.row);
  };
}

OttlGetter ResourceAttribute(const std::string& key) {
  auto number = std::make_shared<KeyNumber>(key);
  const ColumnReader* column = FindProcessColumn(key);
  return [number, column](OttlScope& s) -> OttlValue {
    if (s.spans->processes == nullptr) return {};
    const uint32_t process = s.spans->process[s.row];
    if (column != nullptr) return OfColumn(*column, *s.spans, process);
    const weft_processes& p = *s.spans->processes;
    return Find(*s.spans, p.attr_offset, p.attr, process, number->Of(s));
  };
}

OttlGetter EventAttribute(const std::string& key) {
  return [key](OttlScope& s) -> OttlValue {
    for (const auto& [name, value] : s.event->attributes)
      if (name == key) return value;
    return {};
  };
}

OttlValue Hex(OttlScope& s, std::initializer_list<uint64_t> words) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (const uint64_t word : words)
    for (int shift = 60; shift >= 0; shift -= 4) out += kDigits[word >> shift & 15];
  return s.Keep(std::move(out));
}

uint64_t At(const uint64_t* column, uint32_t row) { return column == nullptr ? 0 : column[row]; }

OttlValue KindText(OttlScope& s) {
  static constexpr std::string_view kNames[] = {"Unspecified", "Internal", "Server",
                                                "Client",      "Producer", "Consumer"};
  return kNames[s.spans->kind[s.row] % 6];
}

using Paths = std::map<std::string, OttlGetter, std::less<>>;

const Paths& SpanPaths() {
  static const Paths paths = {
      {"name",
       [](OttlScope& s) -> OttlValue {
         return sdk::View(s.spans->strings[s.spans->operation[s.row]]);
       }},
      {"kind", [](OttlScope& s) -> OttlValue { return int64_t{s.spans->kind[s.row]}; }},
      {"kind.string", KindText},
      {"status.code",
       [](OttlScope& s) -> OttlValue {
         return int64_t{s.spans->status == nullptr ? uint8_t{0} : s.spans->status[s.row]};
       }},
      {"status.message", SpanAttribute("otel.status_description")},
      {"start_time_unix_nano", [](OttlScope& s) -> OttlValue { return s.spans->start_ns[s.row]; }},
      {"end_time_unix_nano", [](OttlScope& s) -> OttlValue { return s.spans->end_ns[s.row]; }},
      {"trace_id.string",
       [](OttlScope& s) {
         return Hex(s, {At(s.spans->trace_hi, s.row), At(s.spans->trace_lo, s.row)});
       }},
      {"span_id.string", [](OttlScope& s) { return Hex(s, {s.spans->span_id[s.row]}); }},
      {"parent_span_id.string",
       [](OttlScope& s) -> OttlValue {
         const uint64_t parent = At(s.spans->parent_id, s.row);
         return parent == 0 ? OttlValue(std::string_view()) : Hex(s, {parent});
       }},
      {"trace_state", SpanAttribute("w3c.tracestate")},
      {"instrumentation_scope.name", SpanAttribute("otel.scope.name")},
      {"instrumentation_scope.version", SpanAttribute("otel.scope.version")},
      {"scope.name", SpanAttribute("otel.scope.name")},
      {"scope.version", SpanAttribute("otel.scope.version")},
  };
  return paths;
}

const Paths& EventPaths() {
  static const Paths paths = {
      {"name", [](OttlScope& s) -> OttlValue { return s.event->name; }},
      {"time_unix_nano", [](OttlScope& s) -> OttlValue { return s.event->time_ns; }},
  };
  return paths;
}

OttlGetter Known(const Paths& paths, const std::string& path, const std::string& asked) {
  if (const auto it = paths.find(path); it != paths.end()) return it->second;
  std::string known = "attributes[\"...\"], resource.attributes[\"...\"]";
  for (const auto& [name, unused] : paths) known += ", " + name;
  throw sdk::ConfigError("the path " + asked + " is not carried; those that are: " + known);
}

}  // namespace

OttlGetter OttlPath(const std::string& asked, const std::string* key, OttlContext context) {
  std::string path = asked;
  bool event = context == OttlContext::kSpanEvent;
  if (path.starts_with("span.")) {
    path.erase(0, 5);
    event = false;
  } else if (path.starts_with("spanevent.")) {
    if (!event) throw sdk::ConfigError("the path " + asked + " belongs under spanevent");
    path.erase(0, 10);
  }
  if (key != nullptr) {
    if (path == "attributes") return event ? EventAttribute(*key) : SpanAttribute(*key);
    if (path == "resource.attributes") return ResourceAttribute(*key);
  }
  if (key != nullptr || path == "attributes" || path == "resource.attributes")
    throw sdk::ConfigError("the path " + asked + (key != nullptr ? "[\"" + *key + "\"]" : "") +
                           " is not carried");
  // What is not an event's own is its span's where the name says so.
  const bool shared = path.starts_with("instrumentation_scope.") || path.starts_with("scope.");
  return Known(event && !shared ? EventPaths() : SpanPaths(), path, asked);
}

}  // namespace weft::tail
