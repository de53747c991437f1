// TraceHeaders: the trace context in one request's headers: W3C traceparent and tracestate, else
// B3 (single header, else the X-B3-* ones).
//
// Used by every protocol that carries such headers: Add for each header, then Finish. What is not
// valid to the letter of the specification is ignored and reported, never repaired. One thread.
// https://www.w3.org/TR/trace-context/ , https://github.com/openzipkin/b3-propagation
#pragma once

#include <string>
#include <string_view>

#include "sources/ebpf/protocols/exchange.h"

namespace weft::ebpf {

bool ParseTraceparent(std::string_view value, TraceContext* out);
// A header that only carries the sampling decision is valid and leaves *out empty.
bool ParseB3(std::string_view value, TraceContext* out);
// Members of one or more tracestate headers joined by commas: at most 32, each well formed.
bool ValidTracestate(std::string_view members);

class TraceHeaders {
 public:
  void Clear();
  // Takes the header if it is one of those; the name in any case. False: not a context header.
  bool Add(std::string_view name, std::string_view value);

  enum class Verdict { kNone, kValid, kInvalid };
  // kInvalid: there were headers, and they do not give a context. `trace_state` gets the members,
  // joined, if they and the traceparent are valid.
  Verdict Finish(TraceContext* context, std::string* trace_state) const;
  // There was a tracestate that is not valid: ignored, which does not spoil its traceparent.
  bool BadState() const { return !trace_state_.empty() && !ValidTracestate(trace_state_); }

 private:
  int traceparents_ = 0;
  bool b3_bad_ = false;
  bool any_b3_ = false;
  TraceContext w3c_, b3_;
  bool w3c_valid_ = false;
  bool b3_valid_ = false;
  bool multi_trace_ = false, multi_span_ = false;
  TraceContext multi_;
  std::string trace_state_;
};

}  // namespace weft::ebpf
