// What must hold of a decoder of others' spans, whatever the bytes: it makes as many rows as it
// says, and they can be encoded, sent and read again. For the fuzz targets of such decoders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/api/codec.h"
#include "engine/base/check.h"

namespace weft::fuzz {

template <typename Decoder>
void DecodeAndSend(const uint8_t* data, size_t size) {
  static Decoder decoder;  // keeps its buffers, as in production
  api::SpanTable table;
  const auto decoded =
      decoder.Decode(std::string_view(reinterpret_cast<const char*>(data), size), &table);
  if (decoded) WEFT_CHECK(decoded->spans == table.n());
  const auto again = api::DecodeSpans(api::EncodeSpans(table, UINT32_MAX, 0));
  WEFT_CHECK(again.has_value());
  WEFT_CHECK(again->spans.spans().n == table.n());
}

}  // namespace weft::fuzz
