// TraceBytes: how many bytes a trace has as OTLP protobuf, without encoding it.
//
// What budgets in bytes are measured with. Field by field as sinks/otlp writes them; attributes
// that the columns hold are left out, so a little less than what is sent. One pair is measured
// once per batch. Begin lends the batch; one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/api/plugin_abi.h"

namespace weft::sampling {

class TraceBytes {
 public:
  void Begin(const weft_spans& spans);
  uint64_t Of(uint32_t first_row, uint32_t n_rows);

 private:
  uint64_t ProcessBytes(uint32_t process) const;

  const weft_spans* spans_ = nullptr;
  std::vector<uint32_t> pair_bytes_;
  std::vector<uint32_t> seen_;  // per process: the number of the last trace that counted it
  uint32_t trace_ = 0;
};

}  // namespace weft::sampling
