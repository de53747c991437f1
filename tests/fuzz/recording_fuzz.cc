// Any bytes as a recording: reading must end, stay inside the file and account for all of it.
#include <cstdint>
#include <cstdio>

#include "engine/base/check.h"
#include "sources/replay/recording.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  weft::sources::FilePtr file(fmemopen(const_cast<uint8_t*>(data), size, "rb"));
  if (!file) return 0;
  auto reader = weft::sources::RecordingReader::Read(std::move(file), "fuzz");
  if (!reader) return 0;
  uint64_t records = 0;
  while (auto record = reader->Next()) {
    ++records;
    WEFT_CHECK(record->partition < reader->header().partitions);
  }
  WEFT_CHECK(records == reader->totals().records);
  WEFT_CHECK(reader->totals().unread_bytes <= size);
  WEFT_CHECK((reader->totals().unread_bytes == 0 && reader->totals().corrupt_records == 0) ==
             reader->totals().damage.empty());
  return 0;
}
