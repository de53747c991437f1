#include "sources/otlp/otlp_proto.h"

#include <exception>
#include <string>
#include <vector>

#include <protozero/pbf_reader.hpp>

#include "engine/base/text_words.h"
#include "sources/otlp/otlp_rows.h"
#include "sources/otlp/otlp_value.h"

namespace weft::otlp {
namespace {

using protozero::data_view;
using protozero::pbf_reader;

std::string_view View(data_view bytes) { return {bytes.data(), bytes.size()}; }

// What texts of a message became, as a number: the spans of one batch have mostly the same
// attributes and names, so one comparison replaces hashing and looking up. Lossy; entries point
// into the message.
template <size_t kSlots>
class SeenBytes {
 public:
  struct Slot {
    std::string_view bytes;
    uint32_t number = 0;
  };

  void Clear() { slots_.assign(kSlots, {}); }
  // Where these bytes are, if anywhere.
  Slot& Find(std::string_view bytes) { return slots_[Place(bytes)]; }
  static bool Holds(const Slot& slot, std::string_view bytes) {
    return slot.bytes.data() != nullptr && SameText(slot.bytes, bytes);
  }

 private:
  // Keys share their beginnings, values differ at the end: the last sixteen bytes.
  static size_t Place(std::string_view bytes) {
    uint64_t last = 0, before = 0;
    const size_t n = bytes.size();
    if (n >= 16) {
      last = LoadWord<uint64_t>(bytes.data() + n - 8);
      before = LoadWord<uint64_t>(bytes.data() + n - 16);
    } else if (n > 8) {
      last = LoadWord<uint64_t>(bytes.data() + n - 8);
      before = LoadWord<uint64_t>(bytes.data());
    } else {
      last = ShortWord(bytes);
    }
    const uint64_t mixed =
        (last ^ n * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL + before * 0x94d049bb133111ebULL;
    return static_cast<size_t>(mixed >> 40) % kSlots;
  }

  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
};

constexpr unsigned char kTextField1 = 0x0a, kTextField2 = 0x12, kAttribute = 0x4a;

// The attribute that begins at `at`, where its length is told in one or two bytes; none: whoever
// reads the rest carefully says what is wrong.
std::string_view AttributeAt(const char* at, const char* end) {
  const auto byte = [at](size_t i) { return static_cast<unsigned char>(at[i]); };
  const auto left = static_cast<size_t>(end - at);
  if (left < 3 || byte(0) != kAttribute) return {};
  size_t length = byte(1), head = 2;
  if (length >= 0x80) {
    if (byte(2) >= 0x80) return {};
    length = (length & 0x7f) | size_t{byte(2)} << 7;
    head = 3;
  }
  return length == 0 || length > left - head ? std::string_view()
                                             : std::string_view(at + head, length);
}

// A KeyValue of two texts as everybody writes it: both fields once, in order, lengths in one byte.
bool ReadTexts(std::string_view message, std::string_view* key, std::string_view* text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(message[i]); };
  const size_t n = message.size();
  if (n < 6 || n >= 0x80 || byte(0) != kTextField1) return false;
  const size_t value = 2 + byte(1);  // where its field begins
  if (value + 4 > n || byte(value) != kTextField2 || value + 2 + byte(value + 1) != n) return false;
  if (byte(value + 2) != kTextField1 || value + 4 + byte(value + 3) != n) return false;
  *key = message.substr(2, value - 2);
  *text = message.substr(value + 4);
  return true;
}

}  // namespace

class ProtoDecoder::Impl {
 public:
  Result<Decoded> Decode(std::string_view message, api::SpanTable* out) {
    const uint64_t before = out->n();
    pairs_.Clear();
    keys_.Clear();
    names_.Clear();
    OtlpRows rows(*out);
    try {
      ForEach({message.data(), message.size()}, 1,
              [&](data_view spans) { ResourceSpans(spans, rows); });
    } catch (const protozero::exception& e) {
      return Fail(Code::kCorrupt, std::string("OTLP protobuf: ") + e.what());
    } catch (const std::exception& e) {
      return Fail(Code::kFull, std::string("OTLP protobuf: ") + e.what());
    }
    return Decoded{out->n() - before, rows.invalid()};
  }

 private:
  void ResourceSpans(data_view message, OtlpRows& rows) {
    // Fields may come in any order, and the spans need the resource.
    rows.Resource();
    ForEach(message, 1, [&](data_view resource) { Resource(resource, rows); });
    rows.EndResource();
    ForEach(message, 2, [&](data_view spans) { ScopeSpans(spans, rows); });
  }

  void Resource(data_view message, OtlpRows& rows) {
    ForEach(message, 1, [&](data_view attribute) {
      const KeyValue pair = ReadKeyValue(attribute, &made_);
      rows.ResourceAttribute(pair.key, pair.value);
    });
  }

  void ScopeSpans(data_view message, OtlpRows& rows) {
    std::string_view name, version;
    ForEach(message, 1, [&](data_view scope) {
      ForEach(scope, 1, [&](data_view text) { name = View(text); });
      ForEach(scope, 2, [&](data_view text) { version = View(text); });
    });
    rows.Scope(name, version);
    ForEach(message, 2, [&](data_view span) { ReadSpan(span, rows); });
  }

  void ReadSpan(data_view message, OtlpRows& rows) {
    Span span;
    attributes_.clear();
    events_.clear();
    links_.clear();
    span.ids_valid = false;
    bool parent_valid = true;
    const char* const end = message.data() + message.size();
    for (const char* at = message.data(); at != end;) {
      // Most fields are attributes.
      if (const std::string_view attribute = AttributeAt(at, end); !attribute.empty()) {
        attributes_.push_back(PairOf(attribute, rows));
        at = attribute.data() + attribute.size();
        continue;
      }
      pbf_reader in(at, static_cast<size_t>(end - at));
      in.next();
      ReadField(in, rows, &span, &parent_valid);
      at = in.data().data();
    }
    span.ids_valid = span.ids_valid && parent_valid;
    const std::string events = EventsJson(events_), links = LinksJson(links_);
    span.events_json = events;
    span.links_json = links;
    SeenName& name = names_.Find(span.name);
    if (!SeenNames::Holds(name, span.name)) name = {span.name, rows.Text(span.name)};
    span.operation = name.number;
    if (rows.AddSpan(span)) rows.Attributes(attributes_);
  }

  void ReadField(pbf_reader& in, OtlpRows& rows, Span* span, bool* parent_valid) {
    switch (in.tag_and_type()) {
      case Bytes(1): ReadTraceId(in.get_view(), &span->trace); break;
      case Bytes(2): span->ids_valid = ReadSpanId(in.get_view(), &span->span_id); break;
      case Bytes(3): span->trace_state = View(in.get_view()); break;
      case Bytes(4): {
        const data_view id = in.get_view();
        *parent_valid = ReadSpanId(id, &span->parent_id) || id.empty();
        break;
      }
      case Bytes(5): span->name = View(in.get_view()); break;
      case Varint(6): span->kind = static_cast<uint64_t>(in.get_enum()); break;
      case Fixed64(7): span->start_ns = in.get_fixed64(); break;
      case Fixed64(8): span->end_ns = in.get_fixed64(); break;
      case Bytes(9): attributes_.push_back(PairOf(View(in.get_view()), rows)); break;
      case Varint(10): span->dropped_attributes = in.get_uint32(); break;
      case Bytes(11): events_.push_back(in.get_view()); break;
      case Varint(12): span->dropped_events = in.get_uint32(); break;
      case Bytes(13): links_.push_back(in.get_view()); break;
      case Varint(14): span->dropped_links = in.get_uint32(); break;
      case Bytes(15): Status(in.get_view(), span); break;
      case Fixed32(16): span->trace_flags = in.get_fixed32(); break;
      default: in.skip();
    }
  }

  static void Status(data_view message, Span* span) {
    for (pbf_reader status(message); status.next();) {
      if (status.tag_and_type() == Bytes(2))
        span->status_message = View(status.get_view());
      else if (status.tag_and_type() == Varint(3))
        span->status = static_cast<uint64_t>(status.get_enum());
      else
        status.skip();
    }
  }

  uint32_t PairOf(std::string_view bytes, OtlpRows& rows) {
    auto& slot = pairs_.Find(bytes);
    if (decltype(pairs_)::Holds(slot, bytes)) return slot.number;
    slot = {bytes, NewPair(bytes, rows)};
    return slot.number;
  }

  uint32_t NewPair(std::string_view bytes, OtlpRows& rows) {
    std::string_view key, text;
    if (ReadTexts(bytes, &key, &text)) {
      auto& known = keys_.Find(key);
      if (!decltype(keys_)::Holds(known, key)) known = {key, rows.Text(key)};
      return rows.TextPair(known.number, text);
    }
    const KeyValue pair = ReadKeyValue({bytes.data(), bytes.size()}, &made_);
    return rows.Pair(pair.key, pair.value);
  }

  using SeenNames = SeenBytes<256>;
  using SeenName = SeenNames::Slot;
  SeenBytes<1024> pairs_;
  SeenBytes<64> keys_;
  SeenNames names_;
  std::vector<uint32_t> attributes_;  // pairs of the span that is read
  std::vector<data_view> events_, links_;
  std::string made_;
};

ProtoDecoder::ProtoDecoder() : impl_(std::make_unique<Impl>()) {}
ProtoDecoder::~ProtoDecoder() = default;

Result<Decoded> ProtoDecoder::Decode(std::string_view message, api::SpanTable* out) {
  return impl_->Decode(message, out);
}

}  // namespace weft::otlp
