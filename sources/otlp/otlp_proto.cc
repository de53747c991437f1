#include "sources/otlp/otlp_proto.h"

#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <protozero/pbf_reader.hpp>

#include "sources/otlp/otlp_rows.h"
#include "sources/otlp/otlp_value.h"

namespace weft::otlp {
namespace {

using protozero::data_view;
using protozero::pbf_reader;

std::string_view View(data_view bytes) { return {bytes.data(), bytes.size()}; }

// Spans of one batch have mostly the same attributes: what the bytes of a KeyValue became is
// remembered, so that one comparison replaces two hashes and two lookups. Entries point into the
// message.
class PairCache {
 public:
  struct Slot {
    data_view bytes{nullptr, 0};
    uint32_t pair = 0;
  };

  void Clear() { slots_.assign(kSlots, {}); }
  Slot& Find(data_view bytes) { return slots_[Hash(bytes) % kSlots]; }
  static bool Same(const Slot& slot, data_view bytes) {
    return slot.bytes.size() == bytes.size() && slot.bytes.data() != nullptr &&
           std::memcmp(slot.bytes.data(), bytes.data(), bytes.size()) == 0;
  }

 private:
  static constexpr size_t kSlots = 1024;

  // Keys share their beginnings, values differ at the end: the last sixteen bytes.
  static size_t Hash(data_view bytes) {
    uint64_t last = 0, before = 0;
    const size_t n = bytes.size();
    if (n >= 16) {
      std::memcpy(&last, bytes.data() + n - 8, 8);
      std::memcpy(&before, bytes.data() + n - 16, 8);
    } else {
      std::memcpy(&last, bytes.data(), std::min<size_t>(n, 8));
      if (n > 8) std::memcpy(&before, bytes.data() + n - 8, 8);
    }
    const uint64_t mixed =
        (last ^ n * 0x9e3779b97f4a7c15ULL) * 0xbf58476d1ce4e5b9ULL + before * 0x94d049bb133111ebULL;
    return static_cast<size_t>(mixed >> 40);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(kSlots);
};

}  // namespace

class ProtoDecoder::Impl {
 public:
  Result<Decoded> Decode(std::string_view message, api::SpanTable* out) {
    const uint64_t before = out->n();
    pairs_.Clear();
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
    for (pbf_reader in(message); in.next();) {
      switch (in.tag_and_type()) {
        case Bytes(1): ReadTraceId(in.get_view(), &span.trace); break;
        case Bytes(2): span.ids_valid = ReadSpanId(in.get_view(), &span.span_id); break;
        case Bytes(3): span.trace_state = View(in.get_view()); break;
        case Bytes(4): {
          const data_view id = in.get_view();
          parent_valid = ReadSpanId(id, &span.parent_id) || id.empty();
          break;
        }
        case Bytes(5): span.name = View(in.get_view()); break;
        case Varint(6): span.kind = static_cast<uint64_t>(in.get_enum()); break;
        case Fixed64(7): span.start_ns = in.get_fixed64(); break;
        case Fixed64(8): span.end_ns = in.get_fixed64(); break;
        case Bytes(9): attributes_.push_back(in.get_view()); break;
        case Varint(10): span.dropped_attributes = in.get_uint32(); break;
        case Bytes(11): events_.push_back(in.get_view()); break;
        case Varint(12): span.dropped_events = in.get_uint32(); break;
        case Bytes(13): links_.push_back(in.get_view()); break;
        case Varint(14): span.dropped_links = in.get_uint32(); break;
        case Bytes(15): Status(in.get_view(), &span); break;
        case Fixed32(16): span.trace_flags = in.get_fixed32(); break;
        default: in.skip();
      }
    }
    span.ids_valid = span.ids_valid && parent_valid;
    const std::string events = EventsJson(events_), links = LinksJson(links_);
    span.events_json = events;
    span.links_json = links;
    if (!rows.AddSpan(span)) return;
    for (const data_view attribute : attributes_) rows.Attribute(PairOf(attribute, rows));
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

  uint32_t PairOf(data_view bytes, OtlpRows& rows) {
    PairCache::Slot& slot = pairs_.Find(bytes);
    if (PairCache::Same(slot, bytes)) return slot.pair;
    const KeyValue pair = ReadKeyValue(bytes, &made_);
    slot = {bytes, rows.Pair(pair.key, pair.value)};
    return slot.pair;
  }

  PairCache pairs_;
  std::vector<data_view> attributes_, events_, links_;
  std::string made_;
};

ProtoDecoder::ProtoDecoder() : impl_(std::make_unique<Impl>()) {}
ProtoDecoder::~ProtoDecoder() = default;

Result<Decoded> ProtoDecoder::Decode(std::string_view message, api::SpanTable* out) {
  return impl_->Decode(message, out);
}

}  // namespace weft::otlp
