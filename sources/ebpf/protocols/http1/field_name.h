// FieldName: the header fields that mean something to us.
#pragma once

#include <cstdint>
#include <string_view>

namespace weft::ebpf::http1 {

enum class FieldName : uint8_t {
  kOther,
  kHost,
  kUserAgent,
  kRequestId,
  kTruth,
  kBaggage,
  kContentLength,
  kTransferEncoding,
  kContentEncoding,
  kTraceContext  // one of TraceHeaders'
};
// In any case of letters.
FieldName NameField(std::string_view name);

// A field whose value is another in each request: neither its line nor a head that has one comes
// again, and KnownHead keeps nothing of what it gives.
constexpr bool IsUnique(FieldName which) {
  return which == FieldName::kTraceContext || which == FieldName::kTruth ||
         which == FieldName::kRequestId;
}

}  // namespace weft::ebpf::http1
