// AttributePool: the distinct attributes of one batch, each encoded once as field 9 of an OTLP span
// and copied from then on.
//
// Knows the keys that sources/otlp made of OTLP's other fields (Role), and those that columns fill
// (Fact), so that no span says a thing twice. Filled on first use; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/api/plugin_abi.h"

namespace weft::sinks {

enum class Role : uint8_t {
  kUnknown,  // not looked at yet
  kPlain,
  kScopeName,
  kScopeVersion,
  kStatusText,
  kTraceState,
  kEvents,  // bytes() are fields 11
  kLinks,   // bytes() are fields 13
  kDroppedAttributes,
  kDroppedEvents,
  kDroppedLinks,
};

// Bits: attributes that columns fill where the span has none of that key.
enum Fact : uint8_t {
  kLocalAddress = 1,
  kLocalPort = 2,
  kPeerAddress = 4,
  kPeerPort = 8,
  kThread = 16,
};

class AttributePool {
 public:
  struct Entry {
    Role role = Role::kUnknown;
    uint8_t fact = 0;
    uint32_t offset = 0, size = 0;
  };

  void Begin(const weft_spans& spans);
  const Entry& Get(uint32_t pair) {
    Entry& entry = entries_[pair];
    if (entry.role == Role::kUnknown) Fill(pair, &entry);
    return entry;
  }
  std::string_view Bytes(const Entry& entry) const {
    return {bytes_.data() + entry.offset, entry.size};
  }
  // The pair's value: text (valid UTF-8), or its bits.
  std::string_view Text(uint32_t pair);
  uint64_t Bits(uint32_t pair) const { return spans_->pairs->value[pair]; }

  // A string of the batch as valid UTF-8; lent until the next call.
  std::string_view Valid(uint32_t string);

 private:
  void Fill(uint32_t pair, Entry* entry);
  void AppendPair(uint32_t pair);

  const weft_spans* spans_ = nullptr;
  std::vector<Entry> entries_;
  std::string bytes_;
  std::string repaired_, scratch_;
};

// An attribute of a span or, with field 1, of a resource.
void AppendTextAttribute(std::string& out, unsigned field, std::string_view key,
                         std::string_view value);
void AppendIntAttribute(std::string& out, unsigned field, std::string_view key, uint64_t value);
void AppendDoubleAttribute(std::string& out, unsigned field, std::string_view key, double value);

}  // namespace weft::sinks
