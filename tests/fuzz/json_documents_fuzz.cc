// Splitting a file into JSON values: reading ends, and no byte is in two values.
#include <cstddef>
#include <cstdint>
#include <cstdio>

#include "engine/base/check.h"
#include "sources/replay/json_documents.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::FILE* memory = fmemopen(const_cast<uint8_t*>(data), size, "rb");
  weft::sources::JsonDocuments documents(weft::sources::ByteStream::Over(memory, "input"),
                                         [](uint64_t, std::string_view) {});
  size_t sum = 0;
  uint64_t line = 1;
  while (true) {
    const auto document = documents.Next();
    if (!document || !*document) break;
    WEFT_CHECK((*document)->line >= line);
    line = (*document)->line;
    sum += (*document)->text.size();
  }
  // A compressed input has more bytes than came in.
  WEFT_CHECK(sum <= size || data[0] == 0x1f || data[0] == 0x28);
  return 0;
}
