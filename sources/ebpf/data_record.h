// DataRecord: the parts of one record of the data ring, where they lie.
//
// Made by Loader for each record; points into the ring. Value type.
#pragma once

#include <cstddef>
#include <cstdint>

#include "bpf/wire.h"

namespace weft::ebpf {

struct DataRecord {
  const weft_data* data = nullptr;             // null: the record is shorter than it says
  const uint8_t* payload = nullptr;            // data->captured bytes
  const weft_connection* described = nullptr;  // null: not in this record

  // Requires: `at` is aligned to 8 bytes.
  static DataRecord At(const void* at, size_t size) {
    DataRecord record;
    if (size < sizeof(weft_data)) return record;
    const auto* data = static_cast<const weft_data*>(at);
    const auto* payload = static_cast<const uint8_t*>(at) + sizeof(weft_data);
    size -= sizeof(weft_data);
    if (data->captured > size) return record;
    if ((data->flags & WEFT_DATA_DESCRIBED) != 0) {
      const size_t end = (data->captured + size_t{7}) & ~size_t{7};
      if (end + sizeof(weft_connection) > size) return record;
      record.described = reinterpret_cast<const weft_connection*>(payload + end);
    }
    record.data = data;
    record.payload = payload;
    return record;
  }
};

}  // namespace weft::ebpf
