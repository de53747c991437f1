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

}  // namespace weft::ebpf::http1
