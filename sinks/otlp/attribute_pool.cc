#include "sinks/otlp/attribute_pool.h"

#include <bit>
#include <utility>

#include "engine/api/dictionary.h"
#include "engine/base/utf8.h"
#include "sinks/otlp/event_text.h"
#include "sinks/otlp/proto_text.h"

namespace weft::sinks {
namespace {

using namespace proto;  // of this folder

constexpr std::pair<std::string_view, Role> kRoles[] = {
    {"otel.scope.name", Role::kScopeName},
    {"otel.scope.version", Role::kScopeVersion},
    {"otel.status_description", Role::kStatusText},
    {"w3c.tracestate", Role::kTraceState},
    {"otel.events", Role::kEvents},
    {"otel.links", Role::kLinks},
    {"otel.dropped_attributes_count", Role::kDroppedAttributes},
    {"otel.dropped_events_count", Role::kDroppedEvents},
    {"otel.dropped_links_count", Role::kDroppedLinks},
};

constexpr std::pair<std::string_view, Fact> kFacts[] = {
    {"network.local.address", kLocalAddress},
    {"network.local.port", kLocalPort},
    {"network.peer.address", kPeerAddress},
    {"network.peer.port", kPeerPort},
    {"thread.id", kThread},
};

Role RoleOf(std::string_view key, uint8_t type) {
  if (!key.starts_with("otel.") && !key.starts_with("w3c.")) return Role::kPlain;
  for (const auto& [name, role] : kRoles)
    if (key == name) {
      const bool count = role >= Role::kDroppedAttributes;
      return type == (count ? WEFT_ATTR_INT : WEFT_ATTR_STRING) ? role : Role::kPlain;
    }
  return Role::kPlain;
}

uint8_t FactOf(std::string_view key) {
  if (!key.starts_with("network.") && !key.starts_with("thread.")) return 0;
  for (const auto& [name, fact] : kFacts)
    if (key == name) return fact;
  return 0;
}

// KeyValue with an AnyValue of `value_size` bytes, which the caller appends.
void AppendKey(std::string& out, unsigned field, std::string_view key, size_t value_size) {
  AppendHeader(out, field, BytesSize(key.size()) + BytesSize(value_size));
  AppendBytes(out, 1, key);
  AppendHeader(out, 2, value_size);
}

}  // namespace

void AppendTextAttribute(std::string& out, unsigned field, std::string_view key,
                         std::string_view value) {
  AppendKey(out, field, key, BytesSize(value.size()));
  AppendBytes(out, 1, value);
}

void AppendIntAttribute(std::string& out, unsigned field, std::string_view key, uint64_t value) {
  AppendKey(out, field, key, 1 + VarintSize(value));
  AppendNumber(out, 3, value);
}

void AppendDoubleAttribute(std::string& out, unsigned field, std::string_view key, double value) {
  AppendKey(out, field, key, 9);
  AppendFixed64(out, 4, std::bit_cast<uint64_t>(value));
}

void AttributePool::Begin(const weft_spans& spans) {
  spans_ = &spans;
  bytes_.clear();
  entries_.assign(spans.pairs != nullptr ? spans.pairs->n : 0, {});
}

std::string_view AttributePool::Valid(uint32_t string) {
  const std::string_view text = api::View(spans_->strings[string]);
  if (IsUtf8(text)) return text;
  repaired_ = RepairUtf8(text);
  return repaired_;
}

std::string_view AttributePool::Text(uint32_t pair) {
  return Valid(static_cast<uint32_t>(spans_->pairs->value[pair]));
}

void AttributePool::Fill(uint32_t pair, Entry* entry) {
  const weft_pairs& pairs = *spans_->pairs;
  const std::string_view key = api::View(spans_->strings[pairs.key[pair]]);
  entry->role = RoleOf(key, pairs.type[pair]);
  entry->fact = FactOf(key);
  entry->offset = static_cast<uint32_t>(bytes_.size());
  if (entry->role == Role::kEvents && !AppendEvents(bytes_, Text(pair))) entry->role = Role::kPlain;
  if (entry->role == Role::kLinks && !AppendLinks(bytes_, Text(pair))) entry->role = Role::kPlain;
  if (entry->role == Role::kPlain) AppendPair(pair);
  entry->size = static_cast<uint32_t>(bytes_.size() - entry->offset);
}

void AttributePool::AppendPair(uint32_t pair) {
  const weft_pairs& pairs = *spans_->pairs;
  scratch_ = Valid(pairs.key[pair]);
  const uint64_t value = pairs.value[pair];
  switch (pairs.type[pair]) {
    case WEFT_ATTR_INT: AppendIntAttribute(bytes_, 9, scratch_, value); break;
    case WEFT_ATTR_DOUBLE:
      AppendDoubleAttribute(bytes_, 9, scratch_, std::bit_cast<double>(value));
      break;
    case WEFT_ATTR_BOOL:
      AppendKey(bytes_, 9, scratch_, 2);
      AppendNumber(bytes_, 2, value != 0 ? 1 : 0);
      break;
    default: AppendTextAttribute(bytes_, 9, scratch_, Text(pair));
  }
}

}  // namespace weft::sinks
