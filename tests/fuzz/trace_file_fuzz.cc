// Traces of others: whatever the bytes (JSON of any form, CSV, gzip, zstd), reading ends, every row
// can be encoded and read again, and what could not be read was counted.
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "engine/api/codec.h"
#include "engine/base/check.h"
#include "engine/eval/known_traces.h"
#include "sources/replay/trace_file.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::FILE* memory = fmemopen(const_cast<uint8_t*>(data), size, "rb");
  auto file =
      weft::sources::TraceFile::Read(weft::sources::ByteStream::Over(memory, "input"), "input");
  if (!file) return 0;
  weft::api::SpanTable table;
  weft::eval::KnownTracesBuilder builder("input");
  bool more = true;
  while (more && table.n() < 100'000) {
    const auto read = (*file)->Next(&table);
    more = read.value_or(false);
  }
  WEFT_CHECK((*file)->totals().spans == table.n());
  const auto again = weft::api::DecodeSpans(weft::api::EncodeSpans(table, UINT32_MAX, 0));
  WEFT_CHECK(again.has_value());
  builder.Add(table.View());
  const weft::eval::KnownTraces known = builder.Build();
  for (const auto& span : known.spans)
    WEFT_CHECK(span.parent < static_cast<int32_t>(known.spans.size()));
  return 0;
}
