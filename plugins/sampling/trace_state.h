// OpenTelemetry's part of a W3C tracestate (ot=th:...;rv:...): what samplers before us have done.
//
// TraceStates finds the tracestate attribute of a batch's rows. Begin lends the batch; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/api/plugin_abi.h"

namespace weft::sampling {

struct OtState {
  std::optional<uint64_t> threshold;   // th: rejection threshold, of 2^56
  std::optional<uint64_t> randomness;  // rv: explicit randomness in place of the trace id's
};
// What cannot be read is not there.
OtState ParseOtState(std::string_view trace_state);

class TraceStates {
 public:
  void Begin(const weft_spans& spans);
  bool any() const { return !is_state_.empty(); }
  // "" for none, and for that of a sender who is not trusted: he would choose who is kept.
  std::string_view Of(uint32_t row) const;

 private:
  const weft_spans* spans_ = nullptr;
  std::vector<uint8_t> is_state_;  // per pair; empty: no row has one
};

}  // namespace weft::sampling
